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

/// A consumer that belongs to no group: it reads where it is told to.
pub(super) fn consumer(target: &KafkaTarget) -> KafkaResult<BaseConsumer<Context>> {
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
        // A read elsewhere, or anew, waits for the end of the fetch before it; and where a broker does not answer a fetch
        // that waits as soon as there is something, so does everybody whose record is read back.
        ("fetch.wait.max.ms", "5"),
        ("queued.max.messages.kbytes", "16384"),
    ] {
        config.set(key, value);
    }
    config.create_with_context(Context::default())
}
