//! A writer and a follower that act when told.

use crate::{
    clock::{Clock, by_hand::Times},
    cluster::Vigil,
    follower::{Follower, Progress},
    leases::Leases,
    projecting::Pending,
    relay::Relay,
    tail::Tail,
    writer::{Answer, Desk, Job, Message, Sweeper, Writer, WriterThread, system},
};
use bytes::Bytes;
use mcpctl_events::{
    command::{Command, Provider, Register, User},
    hash::Hash,
    leadership::Tenure,
    log::{
        AppendError, EventLog, Page, Position, ReadError,
        faulty::{Fault, FaultyLog},
        memory::MemoryLog,
    },
    name::{Name, SessionId},
    record::{Idempotency, Record, RecordKind},
    replica::Replica,
};
use proptest::{
    prelude::{Just, Strategy},
    prop_oneof,
};
use std::{
    sync::{Arc, Mutex, RwLock},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(super) const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(90);
pub(super) const RETENTION: Duration = Duration::from_hours(4);

/// A log that takes its time, and as Kafka's leaves it to an empty page to say that there is no more.
pub(super) struct SlowLog {
    pub(super) log: FaultyLog<MemoryLog>,
    times: &'static Times,
    pub(super) an_append_takes: Mutex<Duration>,
}

impl EventLog for SlowLog {
    fn append(&self, records: &[Bytes]) -> Result<(), AppendError> {
        self.times.pass(*self.an_append_takes.lock().unwrap());
        self.log.append(records)
    }

    fn read(&self, after: Position, max: usize) -> Result<Page, ReadError> {
        let page = self.log.read(after, max)?;
        Ok(Page { at_tip: page.at_tip && page.entries.is_empty(), ..page })
    }

    /// Nobody waits here: time goes by when it is told to.
    fn wait(&self, after: Position, _: Duration) -> Result<bool, ReadError> {
        self.log.wait(after, Duration::ZERO)
    }
}

/// All that stands around the log.
pub(super) struct Registry {
    pub(super) log: Arc<SlowLog>,
    pub(super) times: &'static Times,
    clock: Clock,
    pub(super) writer: WriterThread,
    follower: Follower,
    /// What the follower asks the writer for.
    wishes: mpsc::Receiver<Message>,
}

impl Registry {
    /// On an empty log, before the first claim.
    pub(super) fn new() -> Self {
        let (clock, times) = Times::start();
        let log = SlowLog { log: FaultyLog::default(), times, an_append_takes: Mutex::default() };
        Self::on(Arc::new(log), clock, times, None)
    }

    /// Processes on one log, the first of which is the least patient.
    pub(super) fn many(count: usize) -> Vec<Self> {
        let (clock, times) = Times::start();
        let log = Arc::new(SlowLog { log: FaultyLog::default(), times, an_append_takes: Mutex::default() });
        (0..count).map(|who| Self::on(log.clone(), clock, times, Some(patience(who)))).collect()
    }

    /// Two of them, the first of which was elected.
    pub(super) fn two() -> (Self, Self) {
        let [mut one, other] = Self::many(2).try_into().ok().unwrap();
        one.recover();
        one.turn([]);
        one.follow();
        (one, other)
    }

    /// It starts again, and knows nothing of what it did.
    pub(super) fn again(&self, who: usize) -> Self {
        Self::on(self.log.clone(), self.clock, self.times, Some(patience(who)))
    }

    fn on(log: Arc<SlowLog>, clock: Clock, times: &'static Times, vigil: Option<Arc<Vigil>>) -> Self {
        let replica = Arc::new(RwLock::new(Replica::default()));
        let (desk, leases) = (Arc::new(Mutex::new(Desk::default())), Arc::new(Leases::default()));
        let (queue, wishes) = mpsc::channel(64);
        desk.lock().unwrap().is_shared = vigil.is_some();
        let writer = Writer { queue, desk: desk.clone(), clock, cluster: None };
        let follower = Follower { vigil: vigil.clone(), ..follower(&log, &replica, &desk, &leases, clock, writer) };
        let sweeper = Sweeper::new(HEARTBEAT_TIMEOUT, RETENTION);
        let writer =
            WriterThread { log: log.clone(), replica, desk, leases, clock, sweeper, alive_at: Duration::ZERO, vigil };
        Self { log, times, clock, writer, follower, wishes }
    }

    /// Elected, with an opened term.
    pub(super) fn elected() -> Self {
        let mut it = Self::new();
        it.writer.begin();
        it.follow();
        it.turn([]);
        it.follow();
        assert!(it.is_leading());
        it
    }

    pub(super) fn is_leading(&self) -> bool {
        self.leads().is_some()
    }

    /// The term that it leads in.
    pub(super) fn leads(&self) -> Option<Tenure> {
        let desk = self.writer.desk();
        desk.leadership.tenure().filter(|_| desk.leadership.is_leading())
    }

    /// The writer does one turn, with these messages and those of the follower.
    pub(super) fn turn(&mut self, messages: impl IntoIterator<Item = Message>) -> Option<oneshot::Sender<()>> {
        let mut batch: Vec<_> = messages.into_iter().collect();
        while let Ok(message) = self.wishes.try_recv() {
            batch.push(message);
        }
        self.writer.turn(&mut batch)
    }

    /// Time goes by in which nothing happens, on a server that runs.
    pub(super) fn wait(&mut self, time: Duration) {
        const STEP: Duration = Duration::from_secs(4);
        let mut left = time;
        while left > Duration::ZERO {
            self.tick_after(left.min(STEP));
            left = left.saturating_sub(STEP);
        }
    }

    pub(super) fn tick_after(&mut self, time: Duration) {
        self.times.pass(time);
        self.turn([Message::Tick]);
    }

    /// The follower reads all there is.
    pub(super) fn follow(&self) {
        while self.log.read(self.position(), 1).is_ok_and(|page| !page.entries.is_empty()) {
            self.follower.step().unwrap();
        }
    }

    /// The follower reads until it finds nothing more.
    pub(super) fn read_to_the_end(&self) {
        self.follow();
        self.follower.step().unwrap();
    }

    /// The same, and there is nothing on the heartbeat stream.
    pub(super) fn hear_nothing(&self) {
        self.read_to_the_end();
        if let Some(vigil) = &self.writer.vigil {
            vigil.stream_ends(self.clock.uptime());
        }
    }

    fn position(&self) -> Position {
        self.replica(|replica| replica.position)
    }

    pub(super) fn replica<T>(&self, look: impl FnOnce(&Replica) -> T) -> T {
        look(&self.writer.replica.read().unwrap())
    }

    /// Ticks and reads until it leads.
    pub(super) fn recover(&mut self) {
        for _ in 0..20 {
            self.hear_nothing();
            self.tick_after(Duration::from_secs(1));
            self.tick_after(Duration::from_secs(5));
            self.follow();
            if self.is_leading() {
                return;
            }
        }
        panic!("nobody leads although nothing goes wrong any more");
    }

    /// Asks and lets the writer do a turn.
    pub(super) fn ask(&mut self, command: Command) -> Waits {
        let (message, waits) = job(command, None);
        self.turn([message]);
        waits
    }

    /// What is on the log, with its torn records left out.
    pub(super) fn records(&self) -> Vec<Record> {
        self.log.log.inner().records().iter().filter_map(|bytes| Record::decode(bytes).ok()).collect()
    }

    pub(super) fn kinds(&self) -> Vec<RecordKind> {
        self.records().iter().map(|record| record.header.kind).collect()
    }
}

/// How patient a process is: the first waits for three seconds, the second for six, others for something between.
fn patience(who: usize) -> Arc<Vigil> {
    let random = [0, 0xffff, 0xff_7f][who.min(2)];
    Arc::new(Vigil::new(Uuid::from_u128(random)))
}

fn follower(
    log: &Arc<SlowLog>,
    replica: &Arc<RwLock<Replica>>,
    desk: &Arc<Mutex<Desk>>,
    leases: &Arc<Leases>,
    clock: Clock,
    writer: Writer,
) -> Follower {
    Follower {
        log: log.clone(),
        replica: replica.clone(),
        desk: desk.clone(),
        writer,
        leases: leases.clone(),
        clock,
        advertise_url: "http://127.0.0.1:3100".to_owned(),
        relay: Arc::new(Relay::default()),
        pending: Arc::new(Pending::default()),
        progress: watch::channel(Progress::default()).0,
        tail: Arc::new(Tail::new(0)),
        subscribers: None,
        vigil: None,
        shutdown: CancellationToken::new(),
        unreadable_told: std::cell::Cell::default(),
    }
}

/// Who waits for an answer.
pub(super) struct Waits(oneshot::Receiver<Answer>);

impl Waits {
    /// The answer; `None` while there is none.
    pub(super) fn answer(&mut self) -> Option<Answer> {
        self.0.try_recv().ok()
    }
}

pub(super) fn job(command: Command, idempotency: Option<Idempotency>) -> (Message, Waits) {
    let (answer, waits) = oneshot::channel();
    let job = Job { command, actor: system("test"), idempotency, answer };
    (Message::Command(Box::new(job)), Waits(waits))
}

/// A key for the request of this name.
pub(super) fn key(request: &str) -> Idempotency {
    Idempotency { key: format!("ann\nPOST /test\n{request}"), request_hash: Hash::of(request.as_bytes()) }
}

pub(super) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(super) fn id(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

/// One session with these Llms.
pub(super) fn register(session: &str, llms: impl IntoIterator<Item = String>) -> Command {
    let provider = |llm: String| Provider::new(Clock::start().id(), name(&llm), "openai", "m");
    let providers = llms.into_iter().map(provider).collect();
    let user = User { id: Uuid::from_u128(0xa), name: name("ann") };
    Command::Register(Register { session: id(session), user, providers, agents: Vec::new() })
}

/// All that can happen to an append.
pub(super) fn faults() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::Lost),
        Just(Fault::Late),
        Just(Fault::Duplicated),
        Just(Fault::Torn),
        Just(Fault::NotWritten),
        Just(Fault::DiskFull),
        (0..4_usize).prop_map(Fault::Unknown),
        Just(Fault::UnknownLate),
    ]
}
