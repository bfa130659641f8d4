//! Who may be called now: the open calls of each model and stream, and the calls that wait for one.
//!
//! One lock, held for moments. A place that gets free is given to the call that has waited longest for it, so a call that
//! finds room on its way in overtakes nobody.

use super::binding::Binding;
use mcpctl_events::{event::row::Status, name::SessionId, state::Llm};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::{sync::oneshot, time::Instant};
use uuid::Uuid;

/// One way to have a call answered.
#[derive(Debug, Clone)]
pub struct Way {
    /// The model.
    pub llm: Arc<Llm>,
    /// Its publisher's stream; none for a public model, and for one whose stream another replica holds.
    pub binding: Option<Arc<Binding>>,
    /// The replica that holds its publisher's stream, if it is another one.
    pub elsewhere: Option<Elsewhere>,
}

/// A stream that another replica holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// URL of the replica.
    pub node: String,
    /// Number of the stream within its session.
    pub epoch: u64,
}

impl Way {
    /// Whether it has to be woken first.
    pub fn is_asleep(&self) -> bool {
        self.llm.status == Status::Hibernating
    }

    /// Whether both are the same model by the same stream.
    pub fn is_same(&self, other: &Self) -> bool {
        let stream = |way: &Self| way.binding.as_ref().map(Arc::as_ptr);
        self.llm.id == other.llm.id && stream(self) == stream(other) && self.elsewhere == other.elsewhere
    }
}

/// Bounds of what may be open and wait at once.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Calls that may be open on one stream.
    pub per_stream: usize,
    /// Calls that may wait for the same model or pool.
    pub queue: usize,
}

/// The places of all models.
#[derive(Debug)]
pub struct Places {
    limits: Limits,
    inner: Mutex<Inner>,
}

/// Open calls by the id of their Llm.
type Open = HashMap<Uuid, usize>;

#[derive(Debug, Default)]
struct Inner {
    open: Open,
    /// Oldest first.
    waiting: VecDeque<Waiting>,
    queued: u64,
}

impl Inner {
    /// All who wait for this target wait for these ways from now on; whether there are any.
    fn look_again(&mut self, target: &str, ways: &[Way]) -> bool {
        let mut found = false;
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.target == target) {
            let untried = ways.iter().filter(|way| !waiting.tried.contains(&way.llm.id));
            waiting.ways = untried.cloned().collect();
            found = true;
        }
        found
    }
}

/// Calls in line that are told apart; more are only counted.
const SHOWN: usize = 10;

#[derive(Debug)]
struct Waiting {
    number: u64,
    target: String,
    /// Models that failed this call before.
    tried: Vec<Uuid>,
    since: Instant,
    ways: Vec<Way>,
    given: oneshot::Sender<Given>,
}

/// A way to go, and the place there.
pub type Given = (Way, Place);

/// Places, and who gets them.
type Gifts = Vec<(oneshot::Sender<Given>, Given)>;

/// Not under the lock: a place that nobody takes any more comes back through it, and goes to the next.
fn hand_out(gifts: Gifts) {
    for (sender, place) in gifts {
        drop(sender.send(place));
    }
}

/// The calls that wait.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queue {
    /// How many.
    pub length: usize,
    /// The first of them, in line: what was called, and for how long each has waited.
    pub first: Vec<(String, Duration)>,
}

impl Queue {
    /// How long the first has waited.
    pub fn longest(&self) -> Duration {
        self.first.first().map(|(_, waited)| *waited).unwrap_or_default()
    }
}

/// Why there is no place.
#[derive(Debug, PartialEq, Eq)]
pub struct Full {
    /// Calls that wait already.
    pub waiting: usize,
}

impl Places {
    /// Nothing is open.
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, inner: Mutex::default() })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The least loaded of these ways to `target` that has room, after all who wait for it; `toss` decides between
    /// equals.
    pub fn take(self: &Arc<Self>, target: &str, ways: &[Way], toss: impl FnOnce() -> usize) -> Option<Given> {
        let mut inner = self.inner();
        let gifts = inner.look_again(target, ways).then(|| self.gifts(&mut inner));
        let given = self.give(&mut inner.open, ways, toss);
        drop(inner);
        gifts.into_iter().for_each(hand_out);
        given
    }

    fn give(self: &Arc<Self>, open: &mut Open, ways: &[Way], toss: impl FnOnce() -> usize) -> Option<Given> {
        let load = |way: &Way| open.get(&way.llm.id).copied().unwrap_or_default();
        // Looked at once: a stream may end at any moment.
        let free: Vec<(usize, &Way)> = ways.iter().map(|way| (load(way), way)).collect();
        let free: Vec<_> = free.into_iter().filter(|(load, way)| self.has_room(way, *load)).collect();
        let least = free.iter().map(|(load, _)| *load).min()?;
        let equals: Vec<_> = free.into_iter().filter(|(load, _)| *load == least).collect();
        let index = if equals.len() > 1 { toss() % equals.len() } else { 0 };
        let (_, way) = equals.get(index)?;
        *open.entry(way.llm.id).or_default() += 1;
        if let Some(binding) = &way.binding {
            binding.open.fetch_add(1, Relaxed);
        }
        Some(((*way).clone(), Place { places: self.clone(), llm: way.llm.id, binding: way.binding.clone() }))
    }

    fn has_room(&self, way: &Way, open: usize) -> bool {
        // Who holds the stream knows what is open on it, and keeps its own line.
        let limit = way.llm.definition.max_concurrent.and_then(|most| usize::try_from(most).ok());
        let limit = limit.filter(|_| way.elsewhere.is_none());
        limit.is_none_or(|most| open < most)
            && way
                .binding
                .as_ref()
                .is_none_or(|stream| stream.open.load(Relaxed) < self.limits.per_stream && !stream.over.is_cancelled())
    }

    /// Waits in line for one of these ways to `target`, whose queue is bounded. Not those that were `tried` before.
    ///
    /// # Errors
    /// Too many wait for it already.
    pub fn queue(self: &Arc<Self>, target: &str, ways: Vec<Way>, tried: &[Uuid]) -> Result<Queued, Full> {
        let (given, place) = oneshot::channel();
        let mut inner = self.inner();
        let waiting = inner.waiting.iter().filter(|waiting| waiting.target == target).count();
        if waiting >= self.limits.queue {
            return Err(Full { waiting });
        }
        inner.queued += 1;
        let (number, since) = (inner.queued, Instant::now());
        let entry = Waiting { number, target: target.to_owned(), tried: tried.to_vec(), since, ways, given };
        inner.waiting.push_back(entry);
        // A place may have got free since the caller looked.
        let gifts = self.gifts(&mut inner);
        drop(inner);
        hand_out(gifts);
        Ok(Queued { places: self.clone(), number, place })
    }

    /// What has room, for who has waited longest for it.
    fn gifts(self: &Arc<Self>, inner: &mut Inner) -> Gifts {
        let (mut gifts, mut at) = (Gifts::new(), 0);
        let Inner { open, waiting, .. } = inner;
        while let Some(next) = waiting.get(at) {
            let Some(place) = self.give(open, &next.ways, || 0) else {
                at += 1;
                continue;
            };
            gifts.extend(waiting.remove(at).map(|first| (first.given, place)));
        }
        gifts
    }

    fn release(self: &Arc<Self>, llm: Uuid, binding: Option<&Binding>) {
        let gifts = {
            let mut inner = self.inner();
            if let Some(open) = inner.open.get_mut(&llm) {
                *open -= 1;
                if *open == 0 {
                    inner.open.remove(&llm);
                }
            }
            if let Some(binding) = binding {
                binding.open.fetch_sub(1, Relaxed);
            }
            // Before anyone else can take it.
            self.gifts(&mut inner)
        };
        hand_out(gifts);
    }

    /// The calls that wait, all of them.
    pub fn waiting(&self) -> Queue {
        self.count(|_| true)
    }

    /// The calls that may be answered by this session and wait for it.
    pub fn waiting_for(&self, session: &SessionId) -> Queue {
        self.count(|way| way.binding.as_ref().is_some_and(|binding| binding.session == *session))
    }

    fn count(&self, is_one: impl Fn(&Way) -> bool) -> Queue {
        let inner = self.inner();
        let mut found = inner.waiting.iter().filter(|waiting| waiting.ways.iter().any(&is_one));
        let shown = |waiting: &Waiting| (waiting.target.clone(), waiting.since.elapsed());
        let first: Vec<_> = found.by_ref().take(SHOWN).map(shown).collect();
        Queue { length: first.len() + found.count(), first }
    }
}

/// A place for one open call; dropped, it is free for the next.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    llm: Uuid,
    binding: Option<Arc<Binding>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.release(self.llm, self.binding.as_deref());
    }
}

/// A call in line; dropped, it leaves.
#[derive(Debug)]
pub struct Queued {
    places: Arc<Places>,
    number: u64,
    place: oneshot::Receiver<Given>,
}

impl Queued {
    /// Waits for the place. May be dropped and called again.
    pub async fn place(&mut self) -> Option<Given> {
        (&mut self.place).await.ok()
    }

    /// The registry or the streams have changed: these are the ways to its target now, for all who wait for it.
    pub fn look_again(&self, target: &str, ways: &[Way]) {
        let gifts = {
            let mut inner = self.places.inner();
            inner.look_again(target, ways);
            self.places.gifts(&mut inner)
        };
        hand_out(gifts);
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        let left = {
            let mut inner = self.places.inner();
            let at = inner.waiting.iter().position(|waiting| waiting.number == self.number);
            at.and_then(|at| inner.waiting.remove(at))
        };
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::binding::{End, Features};
    use futures_util::FutureExt;
    use mcpctl_events::{
        definition::LlmDefinition,
        event::{
            row::{Kind, Status},
            session::Transport,
        },
        name::Name,
        time::LogTime,
    };

    const LIMITS: Limits = Limits { per_stream: 2, queue: 2 };

    fn stream(session: &str) -> Arc<Binding> {
        let session = SessionId::parse(session).unwrap();
        Arc::new(Binding::new(session, 1, Transport::Sse, Features::default()))
    }

    fn way(id: u128, max_concurrent: Option<u32>, binding: Option<&Arc<Binding>>) -> Way {
        let definition = LlmDefinition { max_concurrent, ..LlmDefinition::new("openai", "m") };
        let llm = Llm {
            id: Uuid::from_u128(id),
            name: Name::parse(&format!("llm-{id}")).unwrap(),
            kind: Kind::Public,
            status: Status::Active,
            awake_status: Status::Active,
            disabled: false,
            session: None,
            owner: Uuid::nil(),
            version: 1,
            definition: Arc::new(definition),
            last_heartbeat_at: None,
            inactive_since: None,
            created_at: LogTime::default(),
            updated_at: LogTime::default(),
        };
        Way { llm: Arc::new(llm), binding: binding.cloned(), elsewhere: None }
    }

    fn take(places: &Arc<Places>, ways: &[Way]) -> Option<Given> {
        places.take("elsewhere", ways, || 0)
    }

    fn id(given: &Given) -> u128 {
        given.0.llm.id.as_u128()
    }

    #[test]
    fn the_least_loaded_is_taken_and_a_toss_decides_between_equals() {
        let (places, ways) = (Places::new(LIMITS), [way(1, None, None), way(2, None, None)]);
        let first = places.take("any", &ways, || 7).unwrap();
        assert_eq!(id(&first), 2);
        let second = places.take("any", &ways, || panic!("one is less loaded")).unwrap();
        assert_eq!(id(&second), 1);
        drop(first);
        assert_eq!(id(&places.take("any", &ways, || panic!("one is less loaded")).unwrap()), 2);
    }

    #[test]
    fn a_model_and_a_stream_have_so_many_places_and_give_them_again() {
        let (places, stream) = (Places::new(LIMITS), stream("s"));
        let (narrow, wide) = (way(1, Some(1), Some(&stream)), way(2, None, Some(&stream)));
        let first = take(&places, std::slice::from_ref(&narrow)).unwrap();
        assert!(take(&places, std::slice::from_ref(&narrow)).is_none(), "one at a time");
        let second = take(&places, std::slice::from_ref(&wide)).unwrap();
        assert!(take(&places, std::slice::from_ref(&wide)).is_none(), "the stream is full");
        drop(second);
        assert!(take(&places, std::slice::from_ref(&narrow)).is_none(), "its own place is still taken");
        drop(first);
        assert!(take(&places, std::slice::from_ref(&narrow)).is_some());
        stream.close(End::Gone);
        assert!(take(&places, &[narrow, wide]).is_none(), "it is over");
        assert!(places.inner().open.is_empty(), "nothing is left behind");
    }

    #[test]
    fn who_waits_longest_is_next_and_whoever_leaves_loses_no_place() {
        let (places, one) = (Places::new(LIMITS), way(1, Some(1), None));
        let open = take(&places, std::slice::from_ref(&one)).unwrap();
        let mut waiting = [0; 2].map(|_| places.queue("one", vec![one.clone()], &[]).unwrap());
        assert_eq!(places.queue("one", vec![one.clone()], &[]).unwrap_err(), Full { waiting: 2 });
        assert_eq!(places.waiting().length, 2);
        assert!(waiting[0].place().now_or_never().is_none());
        drop(open);
        let [first, mut second] = waiting;
        assert!(second.place().now_or_never().is_none(), "not his turn");
        assert!(take(&places, std::slice::from_ref(&one)).is_none(), "nobody is overtaken");
        // It was given the place, and goes without having taken it.
        drop(first);
        assert!(second.place().now_or_never().flatten().is_some());
        assert_eq!(places.waiting(), Queue::default());
        assert!(places.inner().open.is_empty());
    }

    #[test]
    fn a_call_in_line_goes_another_way_once_there_is_one() {
        let (places, gone, back) = (Places::new(LIMITS), stream("gone"), stream("back"));
        let full = way(1, Some(0), Some(&gone));
        let mut queued = places.queue("pool", vec![full.clone()], &[]).unwrap();
        assert_eq!(places.waiting_for(&gone.session).length, 1);
        assert_eq!(places.waiting_for(&back.session).length, 0);
        queued.look_again("pool", &[full, way(2, None, Some(&back))]);
        assert_eq!(id(&queued.place().now_or_never().flatten().unwrap()), 2);
    }

    #[test]
    fn whoever_sees_a_new_way_first_it_goes_to_who_has_waited_longest_and_may_go_it() {
        let (places, gone, back) = (Places::new(LIMITS), stream("gone"), stream("back"));
        let full = way(1, Some(0), Some(&gone));
        let new = way(2, Some(1), Some(&back));
        let mut first = places.queue("pool", vec![full.clone()], &[new.llm.id]).unwrap();
        let mut second = places.queue("pool", vec![full], &[]).unwrap();
        assert!(places.take("pool", std::slice::from_ref(&new), || 0).is_none(), "a newcomer overtakes nobody");
        assert!(first.place().now_or_never().is_none(), "it has failed there before");
        assert_eq!(id(&second.place().now_or_never().flatten().unwrap()), 2);
        drop(second);
        first.look_again("pool", std::slice::from_ref(&new));
        assert!(first.place().now_or_never().is_none());
    }

    #[test]
    fn queues_are_apart() {
        let (places, full) = (Places::new(LIMITS), way(1, Some(0), None));
        let _waiting = [0; 2].map(|_| places.queue("one", vec![full.clone()], &[]).unwrap());
        assert!(places.queue("another", vec![full], &[]).is_ok());
    }
}
