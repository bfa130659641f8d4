//! What all clients of the brokers have in common.

use super::KafkaTarget;
use rdkafka::{
    ClientConfig, ClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, ConsumerContext},
    error::{KafkaError, KafkaResult},
    types::RDKafkaErrorCode as Code,
};
use std::{
    ops::Deref,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How long one question may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// What went wrong so long ago explains nothing any more.
const LATELY: Duration = Duration::from_secs(15);
/// Consumers that may be ending at once, and how often is looked whether there are fewer.
const ENDING: usize = 64;
const LOOK: Duration = Duration::from_millis(10);

/// What a client says by the way: nobody reads its log, but the last thing that went wrong explains a silence.
#[derive(Debug, Clone, Default)]
pub(super) struct Context {
    last: Arc<Mutex<Option<(Instant, String)>>>,
}

impl Context {
    /// An error in words for people, with the last thing that went wrong.
    pub(super) fn explain(&self, error: &KafkaError) -> String {
        let said = match error.rdkafka_error_code() {
            Some(code) if is_away(code) => "the brokers cannot be reached".to_owned(),
            Some(code) if is_slow(code) => "the brokers did not answer in time".to_owned(),
            Some(
                Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition | Code::UnknownTopicId,
            ) => "the brokers have no such topic".to_owned(),
            _ => error.to_string(),
        };
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let last = last.filter(|(at, _)| at.elapsed() < LATELY);
        last.map_or_else(|| said.clone(), |(_, last)| format!("{said} ({last})"))
    }
}

/// Whether the brokers are not there, or say nothing.
pub(super) fn is_silence(error: &KafkaError) -> bool {
    error.rdkafka_error_code().is_some_and(|code| is_away(code) || is_slow(code))
}

fn is_away(code: Code) -> bool {
    matches!(code, Code::AllBrokersDown | Code::BrokerTransportFailure | Code::Resolve)
}

fn is_slow(code: Code) -> bool {
    matches!(code, Code::OperationTimedOut | Code::RequestTimedOut | Code::MessageTimedOut)
}

impl ClientContext for Context {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn error(&self, error: KafkaError, reason: &str) {
        let said = if reason.is_empty() { error.to_string() } else { reason.to_owned() };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), said));
    }
}

impl ConsumerContext for Context {}

/// The settings of every client.
pub(super) fn config(target: &KafkaTarget) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (key, value) in [
        ("bootstrap.servers", &*target.brokers),
        ("client.id", "mcpd"),
        ("socket.keepalive.enable", "true"),
        ("socket.nagle.disable", "true"),
        ("socket.timeout.ms", "10000"),
        ("reconnect.backoff.ms", "50"),
        ("reconnect.backoff.max.ms", "1000"),
        ("allow.auto.create.topics", "false"),
        ("log.connection.close", "false"),
    ] {
        config.set(key, value);
    }
    config
}

/// How long a broker may keep a fetch waiting that finds nothing. A read elsewhere, or anew, waits for the end of the fetch
/// before it; and a broker that does not answer as soon as there is something makes everybody wait so long.
#[derive(Debug, Clone, Copy)]
pub(super) enum FetchWait {
    /// People wait for what is read.
    Short,
    /// A moment more does no harm, and many fetches that find nothing cost the brokers time.
    Long,
}

impl FetchWait {
    /// `fetch.wait.max.ms`.
    fn setting(self) -> &'static str {
        match self {
            Self::Short => "2",
            Self::Long => "100",
        }
    }
}

/// A consumer that belongs to no group: it reads where it is told to.
pub(super) fn consumer(target: &KafkaTarget, wait: FetchWait) -> KafkaResult<Consumer> {
    let mut config = config(target);
    for (key, value) in [
        // Without one nothing can be assigned; nothing is ever committed in its name.
        ("group.id", "mcpd"),
        ("enable.auto.commit", "false"),
        ("auto.offset.reset", "error"),
        ("enable.partition.eof", "true"),
        ("check.crcs", "true"),
        // Admission judges what is there, also what a transaction of a stranger left: nobody waits for its end.
        ("isolation.level", "read_uncommitted"),
        ("fetch.error.backoff.ms", "50"),
        ("fetch.wait.max.ms", wait.setting()),
        ("queued.max.messages.kbytes", "16384"),
    ] {
        config.set(key, value);
    }
    // Most of them end soon: whoever makes so many waits for it.
    let begun = Instant::now();
    while NOW_ENDING.load(Ordering::Relaxed) >= ENDING && begun.elapsed() < PATIENCE {
        thread::sleep(LOOK);
    }
    if NOW_ENDING.load(Ordering::Relaxed) >= ENDING {
        return Err(KafkaError::ClientCreation(format!("{ENDING} earlier clients do not end: restart this process")));
    }
    config.create_with_context(Context::default()).map(|consumer| Consumer(Some(consumer)))
}

/// A consumer that ends in a thread of its own: that takes a while, for which rdkafka waits without a limit.
pub(super) struct Consumer(Option<BaseConsumer<Context>>);

/// How many are ending.
static NOW_ENDING: AtomicUsize = AtomicUsize::new(0);

/// Counts one of them.
struct Ending;

impl Ending {
    fn begin() -> Self {
        NOW_ENDING.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        NOW_ENDING.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Deref for Consumer {
    type Target = BaseConsumer<Context>;

    fn deref(&self) -> &BaseConsumer<Context> {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let Some(consumer) = self.0.take() else { return };
        let ending = Ending::begin();
        let end = move || {
            drop(consumer);
            drop(ending);
        };
        // Without a thread it ends here.
        let _ = thread::Builder::new().name("reaper".into()).spawn(end);
    }
}
