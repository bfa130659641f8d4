//! The tables equal the fold, whatever happened and however it was cut into batches.

use crate::{
    dir::Dir,
    life::{Life, admin, ann, delete_agent, delete_llm, name, public_agent, public_llm, session},
};
use mcpctl_events::{
    access::Grant,
    command::{
        Command, Connect, Deactivate, Disconnect, Expire, GrantTo, IssueToken, Put, Retention, Revive, SuspendExpiry,
        Switch,
    },
    definition::LlmDefinition,
    event::{
        Event, Resource, Subject,
        registry::WriterElected,
        row::{Cause, RowEvent, Status, Transition, WakeFailed},
        session::{StreamEnd, Transport},
        token::{Role, TokenRevoked},
    },
    hash::Hash,
    log::memory::MemoryLog,
    replica::{Decoded, Replica},
};
use mcpctl_projector::{
    Batch, Progress, Tables,
    checkpoint::Mismatch,
    follow::{FollowError, SharedLog, follow, project, start},
    projection::Projection,
    store::{AgentFilter, LlmFilter, StoreError},
    verify::verify,
};
use proptest::prelude::*;
use std::{collections::BTreeSet, sync::Arc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Projects what is on the log, in batches of so many records.
async fn project_in_batches(life: &Life, tables: &Tables, size: usize) {
    let mut projection = Projection::new(Replica::default());
    for entries in life.entries(0).chunks(size) {
        for entry in entries {
            projection.take(entry).unwrap();
        }
        if let Some(batch) = projection.batch() {
            tables.apply(&batch).await.unwrap();
        }
    }
}

/// Compares by the verifier's eyes and by those of the readers.
async fn assert_equal(life: &Life, tables: &Tables) {
    let report = verify(&life.shared(), tables, Vec::new(), &Progress::default()).await.unwrap();
    assert_eq!(report.differences, []);
    assert_eq!(report.sequence, life.sequence());
    let state = &life.replica.state;
    let llms = tables.llms(&LlmFilter::default()).await.unwrap();
    assert_eq!(llms.sequence, life.sequence());
    assert_eq!(llms.items.len(), state.llms.len());
    for (stored, row) in llms.items.iter().zip(state.llms.iter()) {
        assert_eq!(&stored.row, &**row);
        let connection = row.session.as_ref().and_then(|id| state.sessions.get(id)?.connection.clone());
        assert_eq!(stored.connection, connection);
    }
    let agents = tables.agents(&AgentFilter::default()).await.unwrap();
    let rows: Vec<_> = agents.items.into_iter().map(|stored| stored.row).collect();
    assert_eq!(rows, state.agents.iter().map(|row| (**row).clone()).collect::<Vec<_>>());
}

fn connect(id: &str) -> Command {
    Command::Connect(Connect {
        session: session(id),
        user: ann().id,
        node: "http://127.0.0.1:8420".to_owned(),
        boot_id: Uuid::from_u128(9),
        transport: Transport::LongPoll,
    })
}

/// A life in which everything happens that the registry knows.
fn full_life() -> Life {
    let mut life = Life::new();
    let elected =
        WriterElected { term: 1, writer: Uuid::from_u128(7), advertise_url: "http://127.0.0.1:8420".to_owned() };
    life.write(Event {
        subject: Subject::Registry(Uuid::from_u128(1)),
        body: mcpctl_events::event::Body::WriterElected(elected),
    });
    let guest = Uuid::from_u128(77);
    for (id, token_name) in [(Uuid::from_u128(76), "admin"), (guest, "guest")] {
        life.run(&Command::IssueToken(IssueToken {
            id,
            name: name(token_name),
            user: name(token_name),
            user_id: Uuid::from_u128(78),
            role: Role::Publisher,
            sha256: Hash::of(token_name.as_bytes()),
            expires_at: None,
            replaces: true,
        }))
        .unwrap();
    }
    let revoked = mcpctl_events::event::Body::TokenRevoked(TokenRevoked { id: guest });
    life.write(Event { subject: Subject::Token(name("guest")), body: revoked });
    let grant = |resource: &str| GrantTo { user: name("guest"), grant: Grant::parse("run", resource).unwrap() };
    for resource in ["agent/local-*", "agent/x"] {
        life.run(&Command::Grant(grant(resource))).unwrap();
    }
    life.run(&Command::Withdraw(grant("agent/x"))).unwrap();
    publishers(&mut life);
    people(&mut life);
    sweeps(&mut life);
    life
}

fn publishers(life: &mut Life) {
    life.register("s1", &["qwen", "llama"], &[("coder", "qwen"), ("writer", "llama")]).unwrap();
    life.run(&connect("s1")).unwrap();
    life.litter();
    life.register("s1", &["qwen"], &[("coder", "qwen")]).unwrap();
    // Adopted by another session.
    life.register("s2", &["llama"], &[("writer", "llama")]).unwrap();
    life.run(&connect("s2")).unwrap();
    let asleep = Transition::new(Cause::Slept, Status::Active, Status::Hibernating, Some(session("s2")));
    life.write(LlmDefinition::event(&name("llama"), RowEvent::Hibernated(asleep)));
    let (cause, status) = (Cause::WakeFailed, Status::Hibernating);
    let failed = WakeFailed { cause, from: status, to: status, reason: "no power".to_owned(), latency_ms: 12 };
    life.write(LlmDefinition::event(&name("llama"), RowEvent::WakeFailed(failed)));
    life.run(&Command::Disconnect(Disconnect { session: session("s2"), epoch: 1, cause: StreamEnd::Closed })).unwrap();
    let (session_id, cause) = (session("s2"), Cause::Disconnected);
    let heard = Some(life.now);
    life.run(&Command::Deactivate(Deactivate { session: session_id, epoch: 1, cause, last_heartbeat_at: heard }))
        .unwrap();
    life.run(&Command::Revive(Revive { session: session("s2"), user: ann().id, cause: Cause::Heartbeat })).unwrap();
}

fn people(life: &mut Life) {
    life.create_llm("gpt", public_llm("gpt-5")).unwrap();
    life.create_agent("helper", public_agent("gpt")).unwrap();
    let mut definition = public_llm("gpt-6");
    definition.description = Some("new".to_owned());
    life.run(&Command::PutLlm(Put { name: name("gpt"), by: admin(), if_match: None, definition })).unwrap();
    for disabled in [true, false] {
        life.run(&Command::SwitchAgent(Switch { name: name("helper"), disabled })).unwrap();
        life.run(&Command::SwitchLlm(Switch { name: name("gpt"), disabled })).unwrap();
    }
    let definition = public_agent("llama");
    life.run(&Command::PutAgent(Put { name: name("helper"), by: admin(), if_match: None, definition })).unwrap();
    life.run(&delete_agent("helper")).unwrap();
    life.run(&delete_llm("gpt")).unwrap();
}

fn sweeps(life: &mut Life) {
    let (sweep_id, heard) = (life.id(), life.now);
    life.run(&Command::SuspendExpiry(SuspendExpiry {
        reason: "mass_silence".to_owned(),
        stale_sessions: 2,
        sessions: 2,
        until: life.now,
        sweep_id,
    }))
    .unwrap();
    life.run(&Command::ResumeExpiry { sweep_id }).unwrap();
    life.pass(100);
    for id in ["s1", "s2"] {
        let (session, cutoff) = (session(id), life.now);
        life.run(&Command::Expire(Expire { session, last_heartbeat_at: heard, cutoff, sweep_id })).unwrap();
    }
    life.pass(4 * 3600);
    let cutoff = life.now;
    life.run(&Command::DeleteExpiredAgents(Retention { names: vec![name("coder")], cutoff, sweep_id })).unwrap();
    life.run(&Command::DeleteExpiredLlm(Retention { names: vec![name("qwen")], cutoff, sweep_id })).unwrap();
    life.register("s3", &["qwen"], &[("coder", "qwen")]).unwrap();
}

#[tokio::test]
async fn every_kind_of_event_is_projected() {
    let life = full_life();
    let seen: BTreeSet<_> = life
        .entries(0)
        .iter()
        .filter_map(|entry| entry.record.as_ref().ok())
        .flat_map(|record| record.events.iter().map(Event::type_name))
        .collect();
    for what in
        ["registered", "restored", "updated", "activated", "hibernated", "deactivated", "wake_failed", "deleted"]
    {
        assert!(seen.contains(format!("mcpctl.llm.{what}.v1").as_str()), "no llm was {what}");
    }
    assert!(seen.len() >= 26, "only {seen:?}");
    for size in [1, 3, 1000] {
        let dir = Dir::new();
        let tables = Tables::open(dir.database()).await.unwrap();
        project_in_batches(&life, &tables, size).await;
        assert_equal(&life, &tables).await;
    }
}

#[tokio::test]
async fn restarting_goes_on_from_the_checkpoint() {
    let (mut life, dir) = (full_life(), Dir::new());
    let sequence = life.sequence();
    {
        let tables = Tables::open(dir.database()).await.unwrap();
        let projection = start(&life.shared(), &tables, Replica::default()).await.unwrap();
        project(&life.shared(), &tables, projection).await.unwrap();
    }
    life.register("s9", &["new"], &[]).unwrap();
    let tables = Tables::open(dir.database()).await.unwrap();
    assert_eq!(tables.checkpoint().await.unwrap().sequence, sequence);
    // A snapshot that is ahead of the tables is no use, and one that is behind is.
    let projection = start(&life.shared(), &tables, life.replica.clone()).await.unwrap();
    assert_eq!(projection.replica().admission.last_sequence, sequence);
    project(&life.shared(), &tables, projection).await.unwrap();
    assert_equal(&life, &tables).await;
}

#[tokio::test]
async fn a_batch_is_applied_once_and_only_where_it_begins() {
    let (mut life, dir) = (Life::new(), Dir::new());
    let tables = Tables::open(dir.database()).await.unwrap();
    let mut projection = Projection::new(Replica::default());
    let mut next = |life: &mut Life, llm: &str| {
        let after = projection.replica().position.0;
        life.register(llm, &[llm], &[]).unwrap();
        life.entries(after).iter().for_each(|entry| projection.take(entry).unwrap());
        projection.batch().unwrap()
    };
    let (first, second, third) = (next(&mut life, "a"), next(&mut life, "b"), next(&mut life, "c"));
    tables.apply(&first).await.unwrap();
    // Killed between commit and answer: the same batch comes again. Or another projector was here.
    for (batch, expected) in [(&first, 0), (&third, second.sequence())] {
        let error = tables.apply(batch).await.unwrap_err();
        assert!(matches!(error, StoreError::CheckpointMoved { expected: e } if e == expected), "{error}");
    }
    assert_eq!(tables.checkpoint().await.unwrap().sequence, first.sequence());
    assert_eq!(tables.llms(&LlmFilter::default()).await.unwrap().items.len(), 1, "a lost batch left something");
    tables.apply_rest(&first).await.unwrap();
    assert!(matches!(tables.apply_rest(&third).await, Err(StoreError::CheckpointMoved { .. })), "a gap");
    tables.apply_rest(&second).await.unwrap();
    assert_eq!(second.clone().onto(second.sequence()), None);
    tables.apply(&third).await.unwrap();
    assert_equal(&life, &tables).await;
}

#[tokio::test]
async fn a_batch_goes_onto_a_checkpoint_in_its_middle() {
    let (mut life, dir) = (Life::new(), Dir::new());
    life.register("s", &["a"], &[]).unwrap();
    let middle = life.sequence();
    life.register("s", &["b"], &[]).unwrap();
    let tables = Tables::open(dir.database()).await.unwrap();
    let (mut short, mut long) = (Projection::new(Replica::default()), Projection::new(Replica::default()));
    for entry in &life.entries(0) {
        if short.replica().admission.last_sequence < middle {
            short.take(entry).unwrap();
        }
        long.take(entry).unwrap();
    }
    tables.apply(&short.batch().unwrap()).await.unwrap();
    let rest = long.batch().unwrap().onto(middle).unwrap();
    assert_eq!((rest.previous(), rest.sequence()), (middle, life.sequence()));
    tables.apply(&rest).await.unwrap();
    assert_equal(&life, &tables).await;
}

#[tokio::test]
async fn collect_works_on_a_replica_of_the_caller() {
    let (life, dir) = (full_life(), Dir::new());
    let tables = Tables::open(dir.database()).await.unwrap();
    let mut replica = Replica::default();
    replica.state.track_touched();
    for entry in life.entries(0) {
        let before = replica.admission.last_sequence;
        replica.apply(&entry).unwrap();
        let admitted: Vec<Decoded> = if replica.admission.last_sequence > before { vec![entry] } else { Vec::new() };
        if let Some(batch) = Batch::collect(&mut replica.state, &admitted) {
            tables.apply(&batch).await.unwrap();
        }
    }
    assert_equal(&life, &tables).await;
}

#[tokio::test]
async fn a_truncated_or_swapped_log_is_refused() {
    let (mut life, dir) = (Life::new(), Dir::new());
    life.register("s", &["a"], &[]).unwrap();
    let short = mcpctl_events::log::memory::MemoryLog::from_records(life.log.records());
    life.register("s", &["b"], &[]).unwrap();
    let tables = Tables::open(dir.database()).await.unwrap();
    project_in_batches(&life, &tables, 1).await;
    let mut other = Life::of(2);
    other.register("s", &["a"], &[]).unwrap();
    other.register("s", &["b"], &[]).unwrap();
    let (tables_at, log) = (life.sequence(), 2);
    let cases = [
        (Arc::new(short) as SharedLog, Mismatch::Truncated { log, tables: tables_at }),
        (other.shared(), Mismatch::OtherHistory { tables: tables_at }),
    ];
    for (log, expected) in cases {
        let error = start(&log, &tables, Replica::default()).await.unwrap_err();
        assert!(error.to_string().contains("checkpoint") && error.to_string().contains("history"), "{error}");
        assert!(matches!(&error, FollowError::Mismatch(found) if *found == expected), "{error}");
        assert!(verify(&log, &tables, Vec::new(), &Progress::default()).await.is_err());
    }
}

#[tokio::test]
async fn an_unknown_event_stops_the_projection_by_its_name() {
    let (mut life, dir) = (Life::new(), Dir::new());
    life.register("s", &["a"], &[]).unwrap();
    let good = life.sequence();
    life.register("s", &["b"], &[]).unwrap();
    let mut records = life.log.records();
    let last = String::from_utf8(records.pop().unwrap().to_vec()).unwrap();
    records.push(last.replace("mcpctl.llm.registered.v1", "mcpctl.llm.teleported.v9").into());
    let log: SharedLog = Arc::new(MemoryLog::from_records(records));
    let tables = Tables::open(dir.database()).await.unwrap();
    // Twice: the next start goes no further either.
    for _ in 0..2 {
        let projection = start(&log, &tables, Replica::default()).await.unwrap();
        let projection = project(&log, &tables, projection).await.unwrap();
        let stopped = projection.replica().stopped().expect("it stopped");
        assert!(stopped.to_string().contains("mcpctl.llm.teleported.v9"), "{stopped}");
        assert_eq!(tables.checkpoint().await.unwrap().sequence, good, "what came before it is good");
    }
    let error = follow(log, tables, CancellationToken::new()).await.unwrap_err();
    assert!(error.to_string().contains("mcpctl.llm.teleported.v9"), "{error}");
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_history_that_was_altered_after_it_was_projected_is_still_read() {
    let (mut life, dir) = (Life::new(), Dir::new());
    for session in ["a", "b", "c"] {
        life.register(session, &[session], &[]).unwrap();
    }
    let tables = Tables::open(dir.database()).await.unwrap();
    project_in_batches(&life, &tables, 100).await;
    let mut records = life.log.records();
    let altered = records.len() - 2;
    let text = String::from_utf8(records[altered].to_vec()).unwrap();
    records[altered] = text.replace(r#""subject":"llm/b""#, r#""subject":"llm/x""#).into();
    let log: SharedLog = Arc::new(MemoryLog::from_records(records));
    let projection = start(&log, &tables, Replica::default()).await.unwrap();
    let stopped = projection.replica().stopped().expect("it stopped").to_string();
    assert!(stopped.contains(&format!("hash chain broken at sequence {}", life.sequence() - 1)), "{stopped}");
    assert_eq!(tables.llms(&LlmFilter::default()).await.unwrap().items.len(), 3, "the tables stay as they are");
}

#[derive(Debug, Clone)]
enum Act {
    Register(u8, u8, u8),
    Connect(u8),
    Disconnect(u8),
    Revive(u8),
    Expire(u8),
    Retain,
    Create(u8),
    Put(u8),
    Delete(u8),
    Switch(u8, bool),
    Litter,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0..3_u8, 0..8_u8, 0..8_u8).prop_map(|(s, llms, agents)| Act::Register(s, llms, agents)),
        2 => (0..3_u8).prop_map(Act::Connect),
        2 => (0..3_u8).prop_map(Act::Disconnect),
        1 => (0..3_u8).prop_map(Act::Revive),
        2 => (0..3_u8).prop_map(Act::Expire),
        2 => Just(Act::Retain),
        2 => (0..3_u8).prop_map(Act::Create),
        1 => (0..3_u8).prop_map(Act::Put),
        1 => (0..3_u8).prop_map(Act::Delete),
        1 => (0..3_u8, any::<bool>()).prop_map(|(n, on)| Act::Switch(n, on)),
        1 => Just(Act::Litter),
    ]
}

/// Does what may be done; refusals are part of life.
fn live(life: &mut Life, act: &Act) {
    let llm = |n: u8| ["alpha", "beta", "gamma"][usize::from(n)];
    let id = |n: u8| session(["s0", "s1", "s2"][usize::from(n)]);
    let epoch = |life: &Life, n: u8| life.replica.state.sessions.get(&id(n)).map_or(0, |session| session.epoch);
    let done = match *act {
        Act::Register(s, llms, agents) => {
            let llms: Vec<_> = (0..3).filter(|n| llms >> n & 1 == 1).map(llm).collect();
            let agents: Vec<_> = (0..3).filter(|n| agents >> n & 1 == 1).map(|n| (llm(n), llm((n + 1) % 3))).collect();
            life.register(["s0", "s1", "s2"][usize::from(s)], &llms, &agents)
        }
        Act::Connect(n) => life.run(&connect(["s0", "s1", "s2"][usize::from(n)])),
        Act::Disconnect(n) => {
            let (epoch, cause) = (epoch(life, n), Cause::Disconnected);
            let ended = Disconnect { session: id(n), epoch, cause: StreamEnd::Closed };
            let _ = life.run(&Command::Disconnect(ended));
            life.run(&Command::Deactivate(Deactivate { session: id(n), epoch, cause, last_heartbeat_at: None }))
        }
        Act::Revive(n) => {
            life.run(&Command::Revive(Revive { session: id(n), user: ann().id, cause: Cause::Heartbeat }))
        }
        Act::Expire(n) => {
            let (sweep_id, now) = (life.id(), life.now);
            life.run(&Command::Expire(Expire { session: id(n), last_heartbeat_at: now, cutoff: now, sweep_id }))
        }
        Act::Retain => {
            let (sweep_id, cutoff) = (life.id(), life.now);
            let names = vec![name("alpha"), name("beta"), name("gamma")];
            let _ = life.run(&Command::DeleteExpiredAgents(Retention { names, cutoff, sweep_id }));
            life.run(&Command::DeleteExpiredLlm(Retention { names: vec![name("alpha")], cutoff, sweep_id }))
        }
        Act::Create(n) => {
            life.create_llm(llm(n), public_llm("m")).and_then(|_| life.create_agent(llm(n), public_agent(llm(n))))
        }
        Act::Put(n) => {
            let model = format!("m{}", life.sequence());
            life.run(&Command::PutLlm(Put {
                name: name(llm(n)),
                by: admin(),
                if_match: None,
                definition: public_llm(&model),
            }))
        }
        Act::Delete(n) => life.run(&delete_llm(llm(n))),
        Act::Switch(n, disabled) => life.run(&Command::SwitchAgent(Switch { name: name(llm(n)), disabled })),
        Act::Litter => {
            life.litter();
            Ok(0)
        }
    };
    drop(done);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(Dir::CASES))]

    #[test]
    fn tables_equal_the_fold(acts in proptest::collection::vec(act(), 1..60), size in 1..12_usize) {
        let mut life = Life::new();
        for act in &acts {
            live(&mut life, act);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = Dir::new();
            let tables = Tables::open(dir.database()).await.unwrap();
            project_in_batches(&life, &tables, size).await;
            assert_equal(&life, &tables).await;
        });
    }
}
