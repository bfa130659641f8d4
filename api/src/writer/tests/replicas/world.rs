//! Replicas, their clients, and time: what happens to them, and what must be so whatever does.

use super::{
    super::{
        super::{Done, Message, WriteError},
        registry::{Registry, Waits, job, key, register},
    },
    script::{ALL, Next, REPLICAS, Whom},
};
use crate::{clock::by_hand::Times, cluster::is_of_the_leader};
use mcpctl_events::{
    admission::Verdict,
    event::{Body, row::RowEvent},
    heartbeat::{Heartbeats, VERSION},
    log::{conformance::read_all, faulty::Fault},
    replica::{Decoded, Replica},
    time::LogTime,
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};
use tokio::sync::oneshot;

const SIGNS_EVERY: Duration = Duration::from_secs(1);

/// One replica, and what stands between it and the others.
struct Server {
    it: Registry,
    /// Starts of it so far.
    life: usize,
    /// Signs of life that it read.
    heard: usize,
    signed_at: Duration,
    still_until: Duration,
    cut_until: Duration,
    /// What came while it stood still.
    queue: Vec<Message>,
}

/// Somebody who waits for an answer.
struct Question {
    /// Who wants something new, and comes again until he is told that it is done.
    client: Option<usize>,
    at: usize,
    /// The last sequence that anybody had been told of.
    told_before: u64,
    waits: Waits,
}

pub(super) type Tally = BTreeMap<String, usize>;

pub(super) struct World<'a> {
    times: &'static Times,
    servers: Vec<Server>,
    signs: Vec<Heartbeats>,
    questions: Vec<Question>,
    again: VecDeque<usize>,
    clients: usize,
    done: BTreeSet<usize>,
    told: u64,
    /// In each term, and in which of its lives.
    pub(super) leaders: BTreeMap<u64, (usize, usize)>,
    tally: &'a RefCell<Tally>,
}

impl<'a> World<'a> {
    pub(super) fn new(tally: &'a RefCell<Tally>) -> Self {
        let registries = Registry::many(REPLICAS);
        let times = registries[0].times;
        let server = |it| Server {
            it,
            life: 0,
            heard: 0,
            signed_at: Duration::ZERO,
            still_until: Duration::ZERO,
            cut_until: Duration::ZERO,
            queue: Vec::new(),
        };
        let servers = registries.into_iter().map(server).collect();
        Self {
            times,
            servers,
            signs: Vec::new(),
            questions: Vec::new(),
            again: VecDeque::new(),
            clients: 0,
            done: BTreeSet::new(),
            told: 0,
            leaders: BTreeMap::new(),
            tally,
        }
    }

    fn count(&self, what: impl Into<String>) {
        *self.tally.borrow_mut().entry(what.into()).or_default() += 1;
    }

    pub(super) fn happens(&mut self, next: Next) {
        let now = self.times.uptime();
        match next {
            Next::Moment { ms, does } => self.moment(Duration::from_millis(ms), does),
            Next::Ask(at, count) => self.ask(self.find(at), count),
            Next::Look(at) => self.look(self.find(at)),
            Next::StandsStill(who, time) => {
                self.count("stands still");
                let who = self.find(who);
                self.servers[who].still_until = now + time;
            }
            Next::CutOff(who, time) => {
                self.count("cut off");
                let who = self.find(who);
                self.servers[who].cut_until = now + time;
            }
            Next::Crashes(who) => {
                self.count("crashed");
                self.starts_again(self.find(who));
            }
            Next::Stops(who) => self.stops(self.find(who)),
            Next::Goes(fault) => {
                let kind = format!("{fault:?}");
                self.count(kind.split('(').next().unwrap());
                self.servers[0].it.log.log.plan([Some(fault)]);
            }
            Next::LateLands => self.servers[0].it.log.log.land_late().unwrap(),
        }
        self.collect();
        self.check_leaders();
    }

    fn find(&self, whom: Whom) -> usize {
        let now = self.times.uptime();
        match whom {
            Whom::Leads(or) => self.servers.iter().position(|server| server.it.is_leading()).unwrap_or(or),
            Whom::Still(or) => self.servers.iter().position(|server| server.still_until > now).unwrap_or(or),
            Whom::Any(who) => who,
        }
    }

    /// Each replica that runs does what its bits say: lets the writer act, reads the log, listens, gives a sign of life,
    /// learns that there is no more on the log than it read.
    fn moment(&mut self, time: Duration, does: [u8; REPLICAS]) {
        self.times.pass(time);
        for (who, does) in does.into_iter().enumerate() {
            let now = self.times.uptime();
            if self.servers[who].still_until > now {
                continue;
            }
            let is_cut = self.servers[who].cut_until > now;
            let led = self.servers[who].it.leads();
            let has = |bit: u8| does & bit != 0;
            // Its threads do what waited in any order: here the writer is the first.
            if has(1) {
                self.writes(who, is_cut);
            }
            if has(2) {
                self.reads(who, is_cut, has(16));
            }
            if has(4) {
                self.listens(who, is_cut);
            }
            if has(8) && !is_cut {
                self.signs(who);
            }
            let term = self.servers[who].it.replica(|replica| replica.admission.term);
            if led.is_some_and(|led| led.term < term) {
                self.count("found another one leading");
            }
        }
    }

    fn writes(&mut self, who: usize, is_cut: bool) {
        let server = &mut self.servers[who];
        let holder = server.it.replica(|replica| replica.admission.holder);
        let was_claiming = server.it.writer.desk().leadership.tenure().is_some();
        if is_cut {
            server.it.log.log.plan([Some(Fault::NotWritten)]);
        }
        let mut batch = std::mem::take(&mut server.queue);
        batch.push(Message::Tick);
        server.it.turn(batch);
        let claims = !was_claiming && server.it.writer.desk().leadership.tenure().is_some();
        if claims && holder.is_some() && !server.it.writer.desk().was(holder) {
            self.count("claimed from one who does not answer");
        }
    }

    fn reads(&self, who: usize, is_cut: bool, to_the_end: bool) {
        let server = &self.servers[who];
        match (&server.it.writer.vigil, is_cut) {
            (Some(vigil), true) => vigil.log_is_lost(),
            _ if to_the_end => server.it.read_to_the_end(),
            _ => server.it.follow(),
        }
    }

    fn listens(&mut self, who: usize, is_cut: bool) {
        let server = &mut self.servers[who];
        let (now, vigil) = (self.times.uptime(), server.it.writer.vigil.clone().unwrap());
        if is_cut {
            return vigil.stream_is_lost();
        }
        for sign in &self.signs[server.heard..] {
            if server.it.replica(|replica| is_of_the_leader(sign, &replica.admission)) {
                vigil.heard(now);
            }
        }
        server.heard = self.signs.len();
        vigil.stream_ends(now);
    }

    fn signs(&mut self, who: usize) {
        let (server, now) = (&mut self.servers[who], self.times.uptime());
        let tenure = server.it.leads();
        let Some(tenure) = tenure.filter(|_| now >= server.signed_at + SIGNS_EVERY) else { return };
        let (v, decided_at, sessions) = (VERSION, LogTime::from_millis(0), BTreeMap::new());
        let (log_id, term, writer) = (tenure.log_id, tenure.term, tenure.writer);
        self.signs.push(Heartbeats { v, log_id, term, writer, decided_at, sessions });
        server.signed_at = now;
        server.it.writer.desk().signed(now);
    }

    fn ask(&mut self, at: usize, count: usize) {
        let messages = (0..count).map(|_| {
            let client = self.again.pop_front().unwrap_or_else(|| {
                self.clients += 1;
                self.clients
            });
            let name = format!("llm-{client}");
            let (message, waits) = job(register(&name, [name.clone()]), Some(key(&name)));
            self.questions.push(Question { client: Some(client), at, told_before: self.told, waits });
            message
        });
        let messages = messages.collect();
        self.hands_over(at, messages);
    }

    fn look(&mut self, at: usize) {
        let (message, waits) = job(register("same", ["same".to_owned()]), None);
        let server = &self.servers[at];
        if server.it.leads().is_some_and(|tenure| self.leaders.keys().any(|term| *term > tenure.term)) {
            self.count("asked one that was deposed");
        }
        self.questions.push(Question { client: None, at, told_before: self.told, waits });
        self.hands_over(at, vec![message]);
    }

    fn hands_over(&mut self, at: usize, messages: Vec<Message>) {
        let server = &mut self.servers[at];
        if server.still_until > self.times.uptime() {
            server.queue.extend(messages);
        } else {
            server.it.turn(messages);
        }
    }

    fn stops(&mut self, who: usize) {
        self.count("stopped");
        if self.servers[who].it.leads().is_some() {
            self.count("stopped while it led");
        }
        let (stopped, _) = oneshot::channel();
        if self.servers[who].still_until <= self.times.uptime() {
            self.servers[who].it.turn([Message::Stop(stopped)]);
            self.servers[who].it.read_to_the_end();
            self.collect();
        }
        self.starts_again(who);
    }

    /// Whoever waited is not answered, and comes again.
    fn starts_again(&mut self, who: usize) {
        let server = &mut self.servers[who];
        server.it = server.it.again(who);
        (server.life, server.heard) = (server.life + 1, self.signs.len());
        (server.still_until, server.cut_until) = (Duration::ZERO, Duration::ZERO);
        server.queue.clear();
        let lost = self.questions.extract_if(.., |question| question.at == who);
        self.again.extend(lost.filter_map(|question| question.client));
    }

    fn collect(&mut self) {
        for mut question in std::mem::take(&mut self.questions) {
            match question.waits.answer() {
                None => self.questions.push(question),
                Some(Ok(done)) => self.answered(&question, &done),
                Some(Err(error)) => {
                    self.count(match error {
                        WriteError::OutcomeUnknown => "outcome unknown",
                        WriteError::NoWriter(_) => "no writer",
                        other => panic!("{other}"),
                    });
                    self.again.extend(question.client);
                }
            }
        }
    }

    fn answered(&mut self, question: &Question, done: &Done) {
        let before = question.told_before;
        assert!(done.sequence >= before, "answered as of {}, when {before} had been told", done.sequence);
        self.told = self.told.max(done.sequence);
        self.count(match (done.repeat_of, done.events.is_empty()) {
            (Some(_), _) => "repeated",
            (None, true) => "nothing to do",
            (None, false) => "done",
        });
        if let Some(client) = question.client {
            assert!(self.done.insert(client), "client {client} was told twice");
        }
    }

    fn check_leaders(&mut self) {
        for (who, server) in self.servers.iter().enumerate() {
            let tenure = server.it.leads();
            let Some(tenure) = tenure else { continue };
            let leader = *self.leaders.entry(tenure.term).or_insert((who, server.life));
            assert_eq!(leader, (who, server.life), "two lead in term {}", tenure.term);
        }
    }

    /// Nothing goes wrong any more: before long, every client has his answer.
    pub(super) fn heal(&mut self) {
        self.servers[0].it.log.log.heal().unwrap();
        for server in &mut self.servers {
            (server.still_until, server.cut_until) = (Duration::ZERO, Duration::ZERO);
        }
        for _ in 0..400 {
            self.happens(Next::Moment { ms: 100, does: [ALL; REPLICAS] });
            let leader = self.servers.iter().position(|server| server.it.is_leading());
            match (leader, self.again.len()) {
                (Some(_), 0) if self.questions.is_empty() => return,
                (Some(leader), count @ 1..) => self.ask(leader, count),
                _ => {}
            }
        }
        panic!("{} wait for ever, and {:?} come again", self.questions.len(), self.again);
    }

    /// What each replica knows is what is on the log: everything that was asked for, once.
    pub(super) fn check_the_end(&self) {
        assert_eq!(self.done, (1..=self.clients).collect());
        let (mut fresh, mut registered) = (Replica::default(), BTreeMap::new());
        for entry in read_all(&*self.servers[0].it.log, fresh.position, 1000) {
            let decoded = Decoded::new(&entry);
            let verdict = fresh.apply(&decoded).expect("no schedule makes the history unreadable");
            let record = decoded.record.as_ref().ok().filter(|_| verdict == Verdict::Committed);
            for event in record.iter().flat_map(|record| &record.events) {
                if matches!(event.body, Body::Llm(RowEvent::Registered(_))) {
                    *registered.entry(event.subject.to_string()).or_insert(0) += 1;
                }
            }
        }
        assert!(registered.values().all(|times| *times == 1), "{registered:?}");
        assert!(self.done.iter().all(|client| registered.contains_key(&format!("llm/llm-{client}"))), "{registered:?}");
        for server in &self.servers {
            server.it.read_to_the_end();
            server.it.replica(|replica| {
                assert_eq!(replica.state, fresh.state);
                assert_eq!(replica.admission, fresh.admission);
            });
        }
    }
}
