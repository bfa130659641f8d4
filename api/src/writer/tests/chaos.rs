//! Hundreds of runs in which anything may happen to an append, on the real writer, desk and follower.

use super::registry::{Registry, Waits, faults, job, key, register};
use crate::writer::{Message, WriteError};
use mcpctl_events::{
    event::{Body, row::RowEvent},
    log::faulty::Fault,
    replica::{Decoded, Replica},
};
use proptest::{
    collection::vec,
    prelude::{Just, Strategy},
    prop_assert_eq, prop_oneof, proptest,
    test_runner::Config,
};
use std::{collections::BTreeMap, time::Duration};

/// What happens next.
#[derive(Debug, Clone, Copy)]
enum Next {
    /// So many clients ask, in one batch.
    Ask(usize),
    Read,
    Time(Duration),
    Goes(Option<Fault>),
    LateLands,
    Sweep,
}

fn next() -> impl Strategy<Value = Next> {
    prop_oneof![
        8 => (1..4_usize).prop_map(Next::Ask),
        6 => Just(Next::Read),
        3 => (50..7000_u64).prop_map(|ms| Next::Time(Duration::from_millis(ms))),
        2 => faults().prop_map(|fault| Next::Goes(Some(fault))),
        3 => Just(Next::Goes(None)),
        1 => Just(Next::LateLands),
        1 => Just(Next::Sweep),
    ]
}

/// Clients, each of which wants one Llm registered and comes again with the same key until it is told that it was.
struct Clients {
    it: Registry,
    waiting: BTreeMap<usize, Waits>,
    again: Vec<usize>,
    asked: usize,
    acknowledged: Vec<usize>,
}

impl Clients {
    fn ask(&mut self, count: usize) {
        let mut messages = Vec::new();
        for _ in 0..count {
            let client = self.again.pop().unwrap_or_else(|| {
                self.asked += 1;
                self.asked
            });
            let name = format!("llm-{client}");
            let (message, waits) = job(register("s", [name.clone()]), Some(key(&name)));
            messages.push(message);
            self.waiting.insert(client, waits);
        }
        self.it.turn(messages);
    }

    fn collect(&mut self) {
        let (acknowledged, again) = (&mut self.acknowledged, &mut self.again);
        self.waiting.retain(|client, waits| match waits.answer() {
            None => true,
            Some(Ok(_)) => {
                acknowledged.push(*client);
                false
            }
            Some(Err(WriteError::OutcomeUnknown | WriteError::NoWriter(_))) => {
                again.push(*client);
                false
            }
            Some(Err(other)) => panic!("client {client}: {other}"),
        });
    }

    fn happens(&mut self, next: Next) {
        match next {
            Next::Ask(count) => self.ask(count),
            Next::Read => self.it.follow(),
            Next::Time(time) => self.it.tick_after(time),
            Next::Goes(fault) => self.it.log.log.plan([fault]),
            Next::LateLands => self.it.log.log.land_late().unwrap(),
            Next::Sweep => drop(self.it.turn([Message::Sweep(None)])),
        }
        self.collect();
    }

    /// Nothing goes wrong any more: before long, every client has his answer.
    fn heal(&mut self) {
        self.it.log.log.heal().unwrap();
        for _ in 0..200 {
            self.it.follow();
            self.it.tick_after(Duration::from_secs(6));
            self.it.follow();
            self.collect();
            if self.waiting.is_empty() && self.again.is_empty() && self.it.is_leading() {
                self.it.turn([]);
                return self.it.follow();
            }
            if self.it.is_leading() {
                self.ask(self.again.len());
            }
        }
        panic!("{:?} wait for ever", self.waiting.keys().chain(&self.again).collect::<Vec<_>>());
    }
}

proptest! {
    #![proptest_config(Config { cases: 400, ..Config::default() })]

    #[test]
    fn what_is_acknowledged_is_history_once_and_everyone_is_answered(script in vec(next(), 1..120)) {
        let mut clients = Clients {
            it: Registry::new(),
            waiting: BTreeMap::new(),
            again: Vec::new(),
            asked: 0,
            acknowledged: Vec::new(),
        };
        clients.it.writer.begin();
        for next in script {
            clients.happens(next);
        }
        clients.heal();
        prop_assert_eq!(clients.acknowledged.len(), clients.asked);
        let (mut fresh, mut registered) = (Replica::default(), BTreeMap::new());
        for entry in mcpctl_events::log::conformance::read_all(&*clients.it.log, fresh.position, 1000) {
            let decoded = Decoded::new(&entry);
            let committed = fresh.apply(&decoded).expect("no fault makes the history unreadable")
                == mcpctl_events::admission::Verdict::Committed;
            for event in decoded.record.iter().filter(|_| committed).flat_map(|record| &record.events) {
                if matches!(event.body, Body::Llm(RowEvent::Registered(_))) {
                    *registered.entry(event.subject.to_string()).or_insert(0) += 1;
                }
            }
        }
        prop_assert_eq!(registered.len(), clients.asked, "each is on the log");
        prop_assert_eq!(registered.values().filter(|times| **times != 1).count(), 0, "and once");
        prop_assert_eq!(&fresh.state, &clients.it.writer.desk().staged, "what is staged is what is folded");
        clients.it.replica(|replica| assert_eq!(replica.state, fresh.state));

    }
}
