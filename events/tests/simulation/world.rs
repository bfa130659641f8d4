//! One run: some processes, one log, a seed.

use crate::{
    history::{Check, History, Landed, ensure},
    judge,
    mutant::Mutant,
    process::{Answer, Process, Read},
    protocol::Protocol,
    rng::Rng,
    wire::{Tally, Wire},
};
use bytes::Bytes;
use mcpctl_events::{
    admission::{Admission, Rejected, Verdict},
    hash::Hash,
    leadership::{Observation, StepDown, Tenure},
    record::{Record, RecordKind},
};
use std::{collections::BTreeMap, rc::Rc};
use uuid::Uuid;

pub struct World<'a, P> {
    pub rng: Rng,
    pub mutant: Option<Mutant>,
    pub tally: &'a mut Tally,
    pub wire: Wire,
    /// Nothing goes wrong in this run: no append fails, nobody pauses, crashes or doubts.
    pub calm: bool,
    /// How many chances of a thousand to pause or crash are taken.
    turmoil: usize,
    /// How often of a thousand times a follower that acts claims, though another may lead.
    pub eagerness: usize,
    /// How many requests of a thousand only read.
    pub listings: usize,
    pub healing: bool,
    pub step: usize,
    pub log: Vec<Rc<Landed>>,
    pub judged: Admission,
    pub history: History,
    pub processes: Vec<Process<P>>,
    /// Commands whose outcome is unknown to their callers, who will try again.
    pub unknown: Vec<Uuid>,
    pub acknowledged: Vec<Uuid>,
    leaders: BTreeMap<u64, (usize, usize)>,
    ids: u128,
}

impl<'a, P: Protocol> World<'a, P> {
    pub fn new(seed: u64, mutant: Option<Mutant>, tally: &'a mut Tally) -> Self {
        let mut rng = Rng::new(seed);
        let calm = rng.chance(100);
        let trouble = if calm { 0 } else { rng.pick(&[30, 100, 250, 500]) };
        let (turmoil, eagerness) = (rng.pick(&[100, 400, 1000]), rng.pick(&[10, 50, 200]));
        let listings = rng.pick(&[100, 300, 700]);
        let start = |rng: &mut Rng| Process::start(mutant, 0, Read::default(), 0, rng.pick(&[0, 0, 500, 950]));
        let processes = (0..2 + rng.below(2)).map(|_| start(&mut rng)).collect();
        Self {
            rng,
            mutant,
            tally,
            wire: Wire::new(trouble),
            calm,
            turmoil,
            eagerness,
            listings,
            healing: false,
            step: 0,
            log: Vec::new(),
            judged: Admission::default(),
            history: History::default(),
            processes,
            unknown: Vec::new(),
            acknowledged: Vec::new(),
            leaders: BTreeMap::new(),
            ids: 1 << 64,
        }
    }

    pub fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    pub fn count(&mut self, what: &str) {
        *self.tally.entry(what.to_owned()).or_default() += 1;
    }

    pub fn run(&mut self) -> Check {
        let steps = 100 + self.rng.below(200);
        while self.step < steps {
            self.step += 1;
            let who = self.rng.below(self.processes.len());
            match self.rng.below(100) {
                0..45 => self.read(who, 1)?,
                45..80 => self.act(who)?,
                80..90 => self.land_late()?,
                90..92 => self.meet_an_outsider()?,
                92..98 if self.calm || !self.rng.chance(self.turmoil) => {}
                92..96 => self.pause(who),
                96..98 => self.crash(who),
                _ => {}
            }
        }
        self.heal()
    }

    /// Judges a record as it lands. What replicas say of it later must be the same.
    pub fn land(&mut self, bytes: Bytes) -> Check {
        let (header, hash) = (judge::header(self.mutant, &bytes), Hash::of(&bytes));
        let verdict = P::admit(self.mutant, &mut self.judged, header.as_ref(), hash);
        let record = Record::decode(&bytes).ok();
        let landed = Landed { header, hash, bytes, record, verdict };
        self.history.note(&landed)?;
        let commit = landed.header.as_ref().is_some_and(|record| record.kind == RecordKind::Commit);
        ensure!(!(self.calm && commit && verdict != Verdict::Committed), "{verdict:?} though nothing went wrong");
        self.log.push(Rc::new(landed));
        Ok(())
    }

    fn land_late(&mut self) -> Check {
        match self.wire.land_one(&mut self.rng) {
            Some(bytes) => self.land(bytes),
            None => Ok(()),
        }
    }

    fn pause(&mut self, who: usize) {
        self.processes[who].awake_at = self.step + self.rng.below(80);
        self.count("paused");
    }

    /// The process starts again, from nothing or from a snapshot of what it had read.
    fn crash(&mut self, who: usize) {
        let process = &mut self.processes[who];
        let callers = process.drop_staged();
        let read = if self.rng.chance(500) { process.read.clone() } else { Read::default() };
        let awake_at = self.step + self.rng.below(20);
        let laziness = self.rng.pick(&[0, 0, 500, 950]);
        *process = Process::start(self.mutant, process.incarnation + 1, read, awake_at, laziness);
        self.unknown.extend(callers);
        self.count("crashed");
    }

    pub fn asleep(&self, who: usize) -> bool {
        self.processes[who].awake_at > self.step && !self.healing
    }

    /// Reads some records, more of them if far behind.
    pub fn read(&mut self, who: usize, at_least: usize) -> Check {
        let behind = self.log.len() - self.processes[who].read.position;
        let records = (at_least + self.rng.below(6) + behind / 8).min(behind);
        let lazy = !self.healing && self.rng.chance(self.processes[who].laziness);
        if !lazy && !self.asleep(who) {
            (0..records).try_for_each(|_| self.read_one(who))?;
        }
        Ok(())
    }

    fn read_one(&mut self, who: usize) -> Check {
        let process = &mut self.processes[who];
        let Read { position, admission, ledger } = &mut process.read;
        let landed = self.log[*position].clone();
        let header = landed.header.as_ref();
        let verdict = P::admit(self.mutant, admission, header, landed.hash);
        ensure!(verdict == landed.verdict, "judged {verdict:?} here and {:?} elsewhere", landed.verdict);
        *position += 1;
        if let (Verdict::Committed, Some(command), Some(record)) = (verdict, landed.command(), header) {
            Rc::make_mut(ledger).insert(command, record.first_sequence);
            process.staged.remove(&command);
        }
        let before = process.protocol.tenure();
        let observation = process.protocol.observe(header, landed.hash, verdict, admission);
        self.check_leadership(who, &landed, before, observation)?;
        self.heed(who, observation)
    }

    fn check_leadership(
        &mut self,
        who: usize,
        landed: &Landed,
        before: Option<Tenure>,
        observation: Observation,
    ) -> Check {
        let process = &self.processes[who];
        let Some(record) = &landed.header else { return Ok(()) };
        let now = process.protocol.tenure().filter(|_| !process.protocol.is_claiming());
        if landed.verdict == Verdict::Elected && process.claims.contains(&landed.hash) {
            let heeded = now.is_some_and(|now| now.wrote(record)) || matches!(observation, Observation::MustResign(_));
            ensure!(heeded, "its own claim won, and it neither leads nor resigns");
        }
        let rejected = matches!(landed.verdict, Verdict::Rejected(_)) && before.is_some_and(|own| own.wrote(record));
        ensure!(!rejected || now != before, "it leads on although a record of its own was rejected");
        let alarm = landed.verdict == Verdict::Rejected(Rejected::UnknownTerm);
        ensure!(!alarm || now.is_none(), "it leads on although a record of a later term is on the log");
        if let Some(now) = now {
            let Admission { term, holder, .. } = process.read.admission;
            ensure!((now.term, Some(now.writer)) == (term, holder), "it leads although it read that it does not hold");
        }
        self.check_leaders(who)
    }

    /// At most one incarnation of one process leads in a term.
    pub fn check_leaders(&mut self, who: usize) -> Check {
        let process = &self.processes[who];
        let leads = process.protocol.must_open() || process.protocol.is_leading();
        let Some(tenure) = process.protocol.tenure().filter(|_| leads) else { return Ok(()) };
        let me = (who, process.incarnation);
        let leader = *self.leaders.entry(tenure.term).or_insert(me);
        ensure!(leader == me, "{leader:?} and {me:?} both lead in term {}", tenure.term);
        Ok(())
    }

    fn heed(&mut self, who: usize, observation: Observation) -> Check {
        match observation {
            Observation::Nothing => Ok(()),
            Observation::Elected(_) => {
                self.count("elected");
                Ok(())
            }
            Observation::Admitted { hash } => {
                let waiting = &mut self.processes[who].waiting;
                let at = waiting.iter().position(|waiting| waiting.hash == hash);
                let Some(admitted) = at.and_then(|at| waiting.remove(at)) else {
                    return Err("admitted, but not in flight".to_owned());
                };
                admitted.answers.into_iter().try_for_each(|answer| self.answer(answer))
            }
            Observation::SteppedDown(why) => {
                use StepDown::*;
                let expected = matches!(why, ClaimLost | Superseded | Resigned | OwnRejected(_));
                ensure!(!self.calm || expected, "stepped down without a reason: {why}");
                self.count(&format!("stepped down: {why}"));
                self.forget_staged(who);
                Ok(())
            }
            Observation::MustResign(tenure) => {
                self.count("resigned a claim it had given up");
                self.forget_staged(who);
                self.resign_for(who, tenure)
            }
        }
    }

    pub fn forget_staged(&mut self, who: usize) {
        let callers = self.processes[who].drop_staged();
        self.unknown.extend(callers);
    }

    /// An answer is true when it is given: acknowledged means admitted, and a listing misses nothing that anybody was
    /// told before it was asked for, and shows nothing that is not history.
    pub fn answer(&mut self, answer: Answer) -> Check {
        let commands = &self.history.commands;
        match answer {
            Answer::Done(command, sequence) | Answer::Repeat(command, sequence) => {
                ensure!(commands.get(&command) == Some(&sequence), "acknowledged {command}, which is not admitted");
                self.acknowledged.push(command);
            }
            Answer::Listing { ledger, staged, asked_after } => {
                let listed = |command: &Uuid| ledger.contains_key(command) || staged.contains_key(command);
                let missed = self.acknowledged[..asked_after].iter().find(|command| !listed(command));
                ensure!(missed.is_none(), "a listing misses {missed:?}, which was acknowledged before");
                let made_up = ledger.iter().chain(&staged).find(|(command, at)| commands.get(command) != Some(at));
                ensure!(made_up.is_none(), "a listing shows {made_up:?}, which is not admitted");
                self.count("listed");
            }
        }
        Ok(())
    }
}
