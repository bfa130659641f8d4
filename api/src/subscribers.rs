//! Publishing what is history to those who subscribe: the topic `<topic>.events`, where the log is in Kafka.
//!
//! The process that leads publishes, in the order of the log, each event at least once: after an election it goes on
//! behind what is on the topic. Events come from memory where they are recent, and from the log where they are not.

use crate::{app::App, cloudevent};
use mcpctl_events::{
    admission::Verdict,
    log::{
        AppendError, ReadError,
        kafka::{End, KafkaEvents, Published},
    },
    record::Record,
    replay::{ReplayError, each_record},
    replica::Stopped,
};
use std::{
    collections::VecDeque,
    ops::ControlFlow,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::Notify,
    task::spawn_blocking,
    time::{sleep, timeout},
};

/// How often is looked whether this process leads.
const LOOK: Duration = Duration::from_millis(200);
/// Pause after an error.
const RETRY: Duration = Duration::from_secs(1);
/// Events that are handed over at once.
const BATCH: usize = 500;
/// Bytes of recent events that are kept.
const MOST_BYTES: usize = 8 << 20;

/// The way to subscribers, and the newest events, ready to be published.
#[derive(Debug)]
pub struct Subscribers {
    topic: KafkaEvents,
    recent: Mutex<Recent>,
    added: Notify,
    published: AtomicU64,
}

/// Events without a gap between them.
#[derive(Debug, Default)]
struct Recent {
    events: VecDeque<Arc<Published>>,
    bytes: usize,
}

/// What comes after an event.
#[derive(Debug, PartialEq)]
enum Next {
    Events(Vec<Published>),
    Nothing,
    /// It is further back than memory goes.
    OnTheLog,
}

/// Why publishing stopped.
#[derive(Debug, thiserror::Error)]
enum Halt {
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(
        "topic {topic} ends with event {sequence} of {of}, and this log, {log}, is at {last}: delete that topic, which is made \
         anew then; until then nothing is published"
    )]
    Foreign { topic: String, sequence: u64, of: String, log: String, last: u64 },
    #[error("this process no longer leads")]
    Deposed,
}

impl From<ReadError> for Halt {
    fn from(error: ReadError) -> Self {
        Self::Replay(error.into())
    }
}

impl From<Stopped> for Halt {
    fn from(stopped: Stopped) -> Self {
        Self::Replay(stopped.into())
    }
}

impl Subscribers {
    /// By way of this topic.
    pub fn new(topic: KafkaEvents) -> Self {
        let (recent, added, published) = (Mutex::default(), Notify::new(), AtomicU64::new(0));
        Self { topic, recent, added, published }
    }

    /// The last sequence that this process knows to be on the topic.
    pub fn published(&self) -> u64 {
        self.published.load(Ordering::Relaxed)
    }

    /// Takes the events of a record that is history now. Called for each, in the order of the log.
    pub fn tell(&self, record: &Record) {
        let events = published(record);
        {
            let mut recent = self.recent();
            for event in events {
                recent.push(event);
            }
        }
        self.added.notify_one();
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, events: &[Published]) -> Result<(), AppendError> {
        self.topic.publish(events)?;
        if let Some(last) = events.last() {
            self.published.store(last.sequence, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Recent {
    fn push(&mut self, event: Published) {
        self.bytes += size(&event);
        self.events.push_back(Arc::new(event));
        while self.bytes > MOST_BYTES
            && self.events.len() > 1
            && let Some(oldest) = self.events.pop_front()
        {
            self.bytes -= size(&oldest);
        }
    }

    /// `last` is the newest event there is; it may be told of only in a moment.
    fn after(&self, sequence: u64, last: u64) -> Next {
        let newest = self.events.back().map_or(last, |event| event.sequence);
        if sequence >= newest {
            return Next::Nothing;
        }
        let first = self.events.front().map(|event| event.sequence);
        let skip = first.and_then(|first| usize::try_from((sequence + 1).checked_sub(first)?).ok());
        let Some(skip) = skip else { return Next::OnTheLog };
        Next::Events(self.events.iter().skip(skip).take(BATCH).map(|event| (**event).clone()).collect())
    }
}

/// About how many bytes an event takes in memory.
fn size(event: &Published) -> usize {
    let attributes: usize = event.attributes.iter().map(|(_, value)| size_of::<(&str, String)>() + value.len()).sum();
    size_of::<Published>() + event.subject.len() + attributes + event.data.len()
}

fn published(record: &Record) -> Vec<Published> {
    let last = record.header.first_sequence + record.header.count;
    (record.header.first_sequence..last).filter_map(|sequence| cloudevent::published(record, sequence)).collect()
}

/// Publishes while this process leads, until it is dropped.
pub async fn run(app: Arc<App>, subscribers: Arc<Subscribers>) {
    let mut failing = false;
    loop {
        if app.writer.term().is_none() {
            sleep(LOOK).await;
            continue;
        }
        match publish_while_leading(&app, &subscribers, &mut failing).await {
            Ok(()) | Err(Halt::Deposed) => failing = false,
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(%error, "events cannot be published to subscribers; trying on");
                }
                sleep(RETRY).await;
            }
        }
    }
}

/// Until this process no longer leads. What went on is no longer failing.
async fn publish_while_leading(app: &Arc<App>, subscribers: &Arc<Subscribers>, failing: &mut bool) -> Result<(), Halt> {
    let asking = subscribers.clone();
    let end = blocking(move || Ok(asking.topic.end()?)).await?;
    let (log, last) = {
        let replica = app.replica();
        (cloudevent::source(replica.admission.log_id.unwrap_or_default()), replica.admission.last_sequence)
    };
    let mut after = go_on(subscribers.topic.name(), end, log, last)?;
    subscribers.published.store(after, Ordering::Relaxed);
    while app.writer.term().is_some() {
        let last = app.progress.borrow().sequence;
        let next = subscribers.recent().after(after, last);
        after = match next {
            Next::Events(events) => {
                let reached = events.last().map_or(after, |event| event.sequence);
                let publishing = subscribers.clone();
                blocking(move || Ok(publishing.publish(&events)?)).await?;
                reached
            }
            Next::Nothing => {
                let _ = timeout(LOOK, subscribers.added.notified()).await;
                after
            }
            Next::OnTheLog => {
                let (app, subscribers) = (app.clone(), subscribers.clone());
                blocking(move || catch_up(&app, &subscribers, after, last)).await?
            }
        };
        *failing = false;
    }
    Ok(())
}

/// Behind which sequence publishing goes on: only where the topic is of this very history.
fn go_on(topic: &str, end: Option<End>, log: String, last: u64) -> Result<u64, Halt> {
    match end {
        None => Ok(0),
        Some(End { all_until, source }) if source == log && all_until <= last => Ok(all_until),
        Some(End { all_until: sequence, source: of }) => {
            Err(Halt::Foreign { topic: topic.to_owned(), sequence, of, log, last })
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Halt> + Send + 'static) -> Result<T, Halt> {
    spawn_blocking(work).await.unwrap_or(Err(Halt::Deposed))
}

/// Publishes what comes after a sequence from the log itself, up to `last`; where it got. Blocks.
fn catch_up(app: &App, subscribers: &Subscribers, after: u64, last: u64) -> Result<u64, Halt> {
    let mut replica = app.past.snapshots.load(&*app.log, after).unwrap_or_default().on(&*app.log);
    let (mut waiting, mut reached) = (Vec::new(), after);
    each_record(&*app.log, replica.position, 1, |entry| {
        let verdict = replica.apply(entry)?;
        if verdict == Verdict::Committed
            && let Ok(record) = &entry.record
        {
            waiting.extend(published(record).into_iter().filter(|event| event.sequence > after));
        }
        let is_there = replica.admission.last_sequence >= last;
        if waiting.len() >= BATCH || is_there {
            if app.writer.term().is_none() {
                return Err(Halt::Deposed);
            }
            subscribers.publish(&waiting)?;
            reached = waiting.last().map_or(reached, |event| event.sequence);
            waiting.clear();
        }
        Ok(if is_there { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(reached)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(sequence: u64) -> Published {
        let (subject, data) = ("agent/a".to_owned(), "{}".into());
        Published { sequence, subject, attributes: Vec::new(), data }
    }

    #[test]
    fn the_log_is_read_only_for_what_memory_no_longer_holds() {
        let mut recent = Recent::default();
        assert_eq!(recent.after(4, 4), Next::Nothing);
        assert_eq!(recent.after(3, 4), Next::OnTheLog, "it was there before this process began");
        for sequence in 5..=7 {
            recent.push(event(sequence));
        }
        assert_eq!(recent.after(3, 7), Next::OnTheLog);
        assert_eq!(recent.after(4, 7), Next::Events(vec![event(5), event(6), event(7)]));
        assert_eq!(recent.after(6, 7), Next::Events(vec![event(7)]));
        assert_eq!(recent.after(7, 7), Next::Nothing);
        assert_eq!(recent.after(7, 9), Next::Nothing, "it is known of, and told in a moment");
    }

    #[test]
    fn publishing_goes_on_only_on_the_topic_of_this_very_history() {
        let end = |all_until, source: &str| Some(End { all_until, source: source.to_owned() });
        let go_on = |end| go_on("registry.events", end, "/mcpctl/this".to_owned(), 10);
        assert_eq!(go_on(None).unwrap(), 0);
        assert_eq!(go_on(end(7, "/mcpctl/this")).unwrap(), 7);
        for other in [end(11, "/mcpctl/this"), end(7, "/mcpctl/other")] {
            let error = go_on(other).unwrap_err().to_string();
            assert!(error.contains("this log, /mcpctl/this, is at 10: delete that topic"), "{error}");
            assert!(error.starts_with("topic registry.events ends with event"), "{error}");
        }
    }
}
