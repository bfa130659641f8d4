//! The topic: made as it has to be, or checked.

use super::{
    KafkaTarget,
    client::{self, Context, PATIENCE},
};
use crate::record::MAX_RECORD_BYTES;
use futures_executor::block_on;
use rdkafka::{
    admin::{AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication},
    client::Client,
    error::{KafkaError, KafkaResult},
    types::RDKafkaErrorCode,
};
use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

/// A record of a log, and what Kafka puts around it.
const LEAST_MESSAGE: u64 = 1 << 20;
const _: () = assert!(MAX_RECORD_BYTES as u64 + (64 << 10) <= LEAST_MESSAGE);
/// Copies of a topic that is made here, where there are as many brokers.
const COPIES: usize = 3;
/// How often is looked whether a topic that was just made is there.
const LOOK: Duration = Duration::from_millis(50);
/// How long it may take.
const MADE_WITHIN: Duration = Duration::from_secs(10);

/// Something that could not be checked, in words for a log.
pub type Warning = String;

/// Why a log in Kafka cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No broker answers, or none of them knows.
    #[error("{reason}: are they up, and is {brokers} where they are reached?")]
    Unreachable {
        /// Where they should be.
        brokers: String,
        /// What the client says.
        reason: String,
    },
    /// The brokers answer, and refuse.
    #[error("topic {topic} can neither be made nor looked at: {reason}")]
    Refused {
        /// The topic.
        topic: String,
        /// What they say.
        reason: String,
    },
    /// It is not there, and was not to be made.
    #[error("there is no topic {topic}: a server makes it at its first start")]
    Missing {
        /// The topic.
        topic: String,
    },
    /// It would lose records, or refuse them.
    #[error("topic {topic} cannot hold a history: {}", problems.join("; "))]
    Unfit {
        /// The topic.
        topic: String,
        /// What is wrong, and how it has to be.
        problems: Vec<String>,
    },
}

/// How a topic has to be.
pub(super) struct Settings {
    /// How it is made.
    made: BTreeMap<&'static str, String>,
    /// Whether all of it is to be in one order.
    one_partition: bool,
    /// What is looked at if it is there.
    checks: &'static [Check],
}

struct Check {
    name: &'static str,
    is_good: fn(&str) -> bool,
    must_be: &'static str,
    /// Of topics with several copies only.
    of_copies: bool,
}

const KEPT: Check = Check { name: "retention.ms", is_good: |value| value == "-1", must_be: "-1", of_copies: false };
const CHECKS_OF_A_LOG: &[Check] = &[
    Check { name: "cleanup.policy", is_good: |value| value == "delete", must_be: "delete", of_copies: false },
    KEPT,
    Check { name: "retention.bytes", is_good: |value| value == "-1", must_be: "-1", of_copies: false },
    Check {
        name: "max.message.bytes",
        is_good: |value| value.parse().is_ok_and(|bytes: u64| bytes >= LEAST_MESSAGE),
        must_be: "1048576 or more",
        of_copies: false,
    },
    Check {
        name: "unclean.leader.election.enable",
        is_good: |value| value == "false",
        must_be: "false",
        of_copies: true,
    },
    Check {
        name: "min.insync.replicas",
        is_good: |value| value.parse().is_ok_and(|copies: u64| copies >= 2),
        must_be: "2 or more",
        of_copies: true,
    },
];

impl Settings {
    /// Everything for ever, and no more copies lost than can be.
    pub(super) fn of_a_log() -> Self {
        let made = [("retention.ms", "-1".to_owned()), ("retention.bytes", "-1".to_owned())];
        Self { made: made.into_iter().chain(always()).collect(), one_partition: true, checks: CHECKS_OF_A_LOG }
    }

    /// Everything for ever, unless somebody has decided otherwise.
    pub(super) fn of_events() -> Self {
        Self { one_partition: false, checks: &[], ..Self::of_a_log() }
    }

    /// For so long.
    pub(super) fn of_heartbeats(retention: Duration) -> Self {
        // Whoever leads is heard, whatever its clock says.
        let stamped = ("message.timestamp.type", "LogAppendTime".to_owned());
        let made = [("retention.ms", retention.as_millis().to_string()), stamped];
        Self { made: made.into_iter().chain(always()).collect(), one_partition: true, checks: &[] }
    }
}

fn always() -> [(&'static str, String); 3] {
    [
        ("cleanup.policy", "delete".to_owned()),
        ("max.message.bytes", (LEAST_MESSAGE + (64 << 10)).to_string()),
        ("unclean.leader.election.enable", "false".to_owned()),
    ]
}

/// Makes the topic if there is none; checks it if there is.
pub(super) fn ensure(target: &KafkaTarget, settings: &Settings) -> Result<Vec<Warning>, OpenError> {
    check(target, settings, true)
}

/// Checks the topic; if there is none, it is not made.
pub(super) fn look(target: &KafkaTarget, settings: &Settings) -> Result<Vec<Warning>, OpenError> {
    check(target, settings, false)
}

fn check(target: &KafkaTarget, settings: &Settings, may_make: bool) -> Result<Vec<Warning>, OpenError> {
    let context = Context::default();
    let failed = |error: KafkaError| {
        let reason = context.explain(&error);
        if client::is_silence(&error) {
            OpenError::Unreachable { brokers: target.brokers.clone(), reason }
        } else {
            OpenError::Refused { topic: target.topic.clone(), reason }
        }
    };
    let admin: AdminClient<Context> = client::config(target).create_with_context(context.clone()).map_err(failed)?;
    let (found, brokers) = partitions(admin.inner(), &target.topic).map_err(failed)?;
    if found.is_none() && !may_make {
        return Err(OpenError::Missing { topic: target.topic.clone() });
    }
    if found.is_none() {
        let copies = brokers.clamp(1, COPIES);
        make(&admin, &target.topic, copies, settings).map_err(failed)?;
    }
    let partitions = wait_for(admin.inner(), &target.topic).map_err(failed)?;
    let mut problems = Vec::new();
    if settings.one_partition && partitions.len() != 1 {
        problems.push(format!("it has {} partitions, and must have one", partitions.len()));
    }
    let copies = partitions.first().copied().unwrap_or(1);
    let mut warnings = Vec::new();
    match describe(&admin, &target.topic) {
        Ok(config) => settings.check(&config, copies, &mut problems, &mut warnings),
        Err(error) => warnings.push(format!("the settings of topic {} cannot be checked: {error}", target.topic)),
    }
    if problems.is_empty() { Ok(warnings) } else { Err(OpenError::Unfit { topic: target.topic.clone(), problems }) }
}

impl Settings {
    fn check(&self, config: &ConfigResource, copies: usize, problems: &mut Vec<String>, warnings: &mut Vec<Warning>) {
        for Check { name, is_good, must_be, of_copies } in self.checks {
            if *of_copies && copies < 2 {
                continue;
            }
            match config.get(name).and_then(|entry| entry.value.as_deref()) {
                Some(value) if is_good(value) => {}
                Some(value) => problems.push(format!("{name} is {value}, and must be {must_be}")),
                None => warnings.push(format!("the brokers do not tell {name}, which must be {must_be}")),
            }
        }
    }
}

/// How many copies each partition of a topic has, if it is there; and how many brokers there are.
fn partitions(client: &Client<Context>, topic: &str) -> KafkaResult<(Option<Vec<usize>>, usize)> {
    let metadata = client.fetch_metadata(Some(topic), PATIENCE)?;
    let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
    let copies = found.map(|found| found.partitions().iter().map(|partition| partition.replicas().len()).collect());
    Ok((copies.filter(|partitions: &Vec<usize>| !partitions.is_empty()), metadata.brokers().len()))
}

fn make(admin: &AdminClient<Context>, topic: &str, copies: usize, settings: &Settings) -> KafkaResult<()> {
    let replication = TopicReplication::Fixed(i32::try_from(copies).unwrap_or(1));
    let mut new = NewTopic::new(topic, 1, replication);
    for (name, value) in &settings.made {
        new = new.set(name, value);
    }
    if copies > 1 {
        new = new.set("min.insync.replicas", "2");
    }
    let options = AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE));
    match block_on(admin.create_topics([&new], &options))?.pop() {
        // Somebody was faster.
        Some(Err((_, error))) if error != RDKafkaErrorCode::TopicAlreadyExists => Err(KafkaError::AdminOp(error)),
        _ => Ok(()),
    }
}

fn wait_for(client: &Client<Context>, topic: &str) -> KafkaResult<Vec<usize>> {
    let deadline = Instant::now() + MADE_WITHIN;
    loop {
        if let (Some(partitions), _) = partitions(client, topic)? {
            return Ok(partitions);
        }
        if Instant::now() >= deadline {
            return Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopic));
        }
        thread::sleep(LOOK);
    }
}

fn describe(admin: &AdminClient<Context>, topic: &str) -> KafkaResult<ConfigResource> {
    let options = AdminOptions::new().request_timeout(Some(PATIENCE));
    let found = block_on(admin.describe_configs([&ResourceSpecifier::Topic(topic)], &options))?.pop();
    found.unwrap_or(Err(RDKafkaErrorCode::UnknownTopic)).map_err(KafkaError::AdminOp)
}

/// What the broker says that it removes, if it says so.
pub(super) fn cleanup_policy(target: &KafkaTarget) -> Option<String> {
    let admin: AdminClient<Context> = client::config(target).create_with_context(Context::default()).ok()?;
    describe(&admin, &target.topic).ok()?.get("cleanup.policy")?.value.clone()
}
