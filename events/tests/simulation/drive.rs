//! What a process does between two reads: claim, open, stage, doubt, resign.

use crate::{
    history::{Check, ensure},
    mutant::Mutant,
    process::{Answer, Waiting},
    protocol::Protocol,
    world::World,
};
use bytes::Bytes;
use mcpctl_events::{
    event::{Body, Event, Subject, registry::ExpiryResumed},
    hash::Hash,
    leadership::{Draft, Leadership, Staged, Stamp, Tenure},
    name::Name,
    record::Actor,
    time::LogTime,
};
use uuid::Uuid;

impl<P: Protocol> World<'_, P> {
    pub fn act(&mut self, who: usize) -> Check {
        if self.asleep(who) {
            return Ok(());
        }
        let protocol = &self.processes[who].protocol;
        if protocol.must_open() {
            let stamp = self.stamp();
            let opening = self.processes[who].protocol.open(stamp);
            let bytes = self.waits_for(who, opening, Vec::new());
            return self.append(who, vec![bytes]);
        }
        if protocol.is_leading() {
            return self.lead(who);
        }
        if protocol.is_following() {
            return if self.wants_to_claim(who) { self.claim(who) } else { Ok(()) };
        }
        let patience = match protocol.is_claiming() {
            true if self.mutant == Some(Mutant::WaitsForItsClaimForEver) => 0,
            true => 150,
            false => 50,
        };
        if !self.calm && self.rng.chance(patience) {
            self.doubt(who);
        }
        Ok(())
    }

    /// In trouble anybody claims at any time, also while it reads old records; else only who sees that nobody leads.
    fn wants_to_claim(&mut self, who: usize) -> bool {
        if self.calm {
            return self.read_that_nobody_leads(who);
        }
        if self.healing {
            return self.processes.iter().all(|process| process.protocol.is_following()) && self.rng.chance(500);
        }
        self.rng.chance(self.eagerness) || self.read_that_nobody_leads(who)
    }

    fn read_that_nobody_leads(&self, who: usize) -> bool {
        let read = &self.processes[who].read;
        read.admission.holder.is_none() && read.position == self.log.len()
    }

    fn claim(&mut self, who: usize) -> Check {
        let configured = matches!(self.mutant, Some(Mutant::WriterIsConfigured | Mutant::WriterIsConfiguredAndResumes));
        let writer = if configured { Uuid::from_u128(who as u128) } else { self.id() };
        let (log_id, stamp) = (self.id(), self.stamp());
        let process = &mut self.processes[who];
        let claim = process.protocol.claim(&process.read.admission, log_id, writer, stamp);
        self.count("claimed");
        if let Some(claim) = claim {
            self.processes[who].claims.insert(Hash::of(&claim));
            self.append(who, vec![claim])?;
        }
        self.check_leaders(who)
    }

    fn lead(&mut self, who: usize) -> Check {
        match self.rng.below(100) {
            0..4 if !self.calm && !self.healing => {
                self.doubt(who);
                Ok(())
            }
            4..7 if !self.healing => {
                let stamp = self.stamp();
                let resignation = self.processes[who].protocol.resign(stamp);
                let bytes = self.waits_for(who, resignation, Vec::new());
                self.count("resigned");
                self.append(who, vec![bytes])
            }
            _ => self.serve(who),
        }
    }

    /// Decides some requests and appends what came of them in one batch.
    fn serve(&mut self, who: usize) -> Check {
        let mut batch = Vec::new();
        for _ in 0..=self.rng.below(4) {
            if !self.healing && self.rng.chance(self.listings) {
                self.list(who, &mut batch)?;
                continue;
            }
            let again = match self.rng.below(10) {
                0..4 => self.rng.take(&mut self.unknown),
                // A caller who did not wait for the answer.
                4 => self.processes[who].staged.keys().next_back().copied(),
                _ => None,
            };
            // When all is healed, only those who still wait come again.
            if let Some(command) = again.or_else(|| (!self.healing).then(|| self.id())) {
                self.decide(who, command, &mut batch)?;
            }
        }
        if batch.is_empty() { Ok(()) } else { self.append(who, batch) }
    }

    /// Idempotent: what this process has done already, admitted or staged, is not done again.
    fn decide(&mut self, who: usize, command: Uuid, batch: &mut Vec<Bytes>) -> Check {
        if let Some(sequence) = self.processes[who].done(&command) {
            self.count("repeated");
            let at_once = self.mutant == Some(Mutant::AnswersRepeatsAtOnce);
            return self.answer_behind(who, Answer::Repeat(command, sequence), at_once, batch);
        }
        if self.mutant == Some(Mutant::CommitsMayBeEmpty) {
            let staged = self.stage(who, command, 0);
            batch.push(self.waits_for(who, staged, Vec::new()));
        }
        let events = 1 + self.rng.below(3);
        let staged = self.stage(who, command, events);
        self.processes[who].staged.insert(command, staged.first_sequence);
        let done = Answer::Done(command, staged.first_sequence);
        batch.push(self.waits_for(who, staged, vec![done]));
        Ok(())
    }

    fn stage(&mut self, who: usize, command: Uuid, events: usize) -> Staged {
        let body = Body::ExpiryResumed(ExpiryResumed { sweep_id: command });
        let event = Event { subject: Subject::Registry(Uuid::nil()), body };
        let draft = Draft { stamp: self.stamp(), idempotency: None, events: vec![event; events] };
        self.processes[who].protocol.stage(draft)
    }

    /// Answers from what is staged, once it is admitted.
    fn list(&mut self, who: usize, batch: &mut Vec<Bytes>) -> Check {
        let process = &self.processes[who];
        let listing = Answer::Listing {
            ledger: process.read.ledger.clone(),
            staged: process.staged.clone(),
            asked_after: self.acknowledged.len(),
        };
        let at_once = self.mutant == Some(Mutant::AnswersWithoutBarrier) && process.waiting.is_empty();
        self.answer_behind(who, listing, at_once, batch)
    }

    /// Answers when all that was staged before is admitted, and something that is appended after the question: what was
    /// appended earlier may have landed before another writer was elected.
    fn answer_behind(&mut self, who: usize, answer: Answer, at_once: bool, batch: &mut Vec<Bytes>) -> Check {
        if at_once {
            return self.answer(answer);
        }
        let behind_any = self.mutant == Some(Mutant::AnswersBehindEarlierBatches);
        let behind_last = self.rng.chance(700) && (!batch.is_empty() || behind_any);
        if let Some(last) = self.processes[who].waiting.back_mut().filter(|_| behind_last) {
            last.answers.push(answer);
            return Ok(());
        }
        let stamp = self.stamp();
        let barrier = self.processes[who].protocol.noop(stamp);
        let bytes = self.waits_for(who, barrier, vec![answer]);
        batch.push(bytes);
        Ok(())
    }

    fn waits_for(&mut self, who: usize, staged: Staged, answers: Vec<Answer>) -> Bytes {
        self.processes[who].waiting.push_back(Waiting { hash: staged.hash, answers });
        staged.bytes
    }

    fn append(&mut self, who: usize, batch: Vec<Bytes>) -> Check {
        let outcome = self.wire.send(&mut self.rng, batch, self.tally);
        outcome.landing.into_iter().try_for_each(|bytes| self.land(bytes))?;
        if !outcome.reported {
            self.doubt(who);
        } else if self.mutant == Some(Mutant::AnswersOnceAppended) {
            let waiting = self.processes[who].waiting.iter_mut();
            let answers: Vec<_> = waiting.flat_map(|waiting| std::mem::take(&mut waiting.answers)).collect();
            answers.into_iter().try_for_each(|answer| self.answer(answer))?;
        }
        Ok(())
    }

    fn doubt(&mut self, who: usize) {
        self.count("doubted");
        self.processes[who].protocol.step_down();
        self.forget_staged(who);
    }

    pub fn resign_for(&mut self, who: usize, tenure: Tenure) -> Check {
        let stamp = self.stamp();
        let resignation = Leadership::resignation(tenure, &self.processes[who].read.admission, stamp);
        self.append(who, vec![resignation])
    }

    pub fn stamp(&mut self) -> Stamp {
        let actor = Actor::System(Name::parse("writer").unwrap());
        Stamp { command_id: self.id(), decided_at: LogTime::from_millis(1_000_000), actor }
    }

    /// The trouble ends: what is late lands, and before long somebody leads and every caller has an answer.
    pub fn heal(&mut self) -> Check {
        self.wire.trouble = 0;
        self.healing = true;
        while let Some(bytes) = self.wire.land_one(&mut self.rng) {
            self.land(bytes)?;
        }
        let last = self.id();
        self.unknown.push(last);
        for _ in 0..300 {
            for who in 0..self.processes.len() {
                self.read(who, self.log.len())?;
                self.act(who)?;
            }
            if self.unknown.is_empty() && self.processes.iter().all(|process| process.waiting.is_empty()) {
                break;
            }
        }
        ensure!(self.acknowledged.contains(&last), "no command is done although nothing goes wrong any more");
        self.check_the_end()
    }

    /// All replicas know the same, and it is the history.
    fn check_the_end(&mut self) -> Check {
        for who in 0..self.processes.len() {
            self.read(who, self.log.len())?;
        }
        for process in &self.processes {
            ensure!(*process.read.ledger == self.history.commands, "a replica's state is not the history's");
            ensure!(process.read.admission == self.judged, "replicas admit differently");
        }
        ensure!(self.judged.last_sequence == self.history.last_sequence, "sequences are not those of the events");
        self.check_tampering()
    }
}
