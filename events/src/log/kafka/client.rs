//! What all clients of the brokers have in common.

use super::KafkaTarget;
use rdkafka::{
    ClientConfig, ClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, ConsumerContext},
    error::{KafkaError, KafkaResult},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How long one question may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// What a client says by the way: nobody reads its log, but the last thing that went wrong explains a silence.
#[derive(Debug, Clone, Default)]
pub(super) struct Context {
    last: Arc<Mutex<Option<String>>>,
}

impl Context {
    /// An error in the words of the last thing that went wrong.
    pub(super) fn explain(&self, error: &KafkaError) -> String {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        last.map_or_else(|| error.to_string(), |last| format!("{error} ({last})"))
    }
}

impl ClientContext for Context {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn error(&self, error: KafkaError, reason: &str) {
        let said = if reason.is_empty() { error.to_string() } else { reason.to_owned() };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(said);
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
pub(super) fn consumer(target: &KafkaTarget, wait: FetchWait) -> KafkaResult<BaseConsumer<Context>> {
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
    config.create_with_context(Context::default())
}
