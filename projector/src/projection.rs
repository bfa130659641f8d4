//! What a run of admitted commits means for the read tables: the final rows of all that it touched.

use mcpctl_events::{
    access::Grant,
    admission::Verdict,
    hash::Hash,
    log::Position,
    name::{Name, SessionId},
    record::{Header, Record},
    replica::{Decoded, Replica, Stopped},
    state::{Agent, Llm, Personality, Project, Prompt, Session, State, Token, Touched},
    time::LogTime,
};
use std::sync::Arc;
use uuid::Uuid;

/// Rows of one table to write, and keys of rows to delete.
#[derive(Debug, Clone, PartialEq)]
pub struct Changes<R> {
    /// Rows as they now stand.
    pub put: Vec<R>,
    /// Keys of rows that are no more.
    pub gone: Vec<String>,
}

impl<R> Default for Changes<R> {
    fn default() -> Self {
        Self { put: Vec::new(), gone: Vec::new() }
    }
}

impl<R> Changes<R> {
    fn add(&mut self, key: &str, row: Option<R>) {
        match row {
            Some(row) => self.put.push(row),
            None => self.gone.push(key.to_owned()),
        }
    }

    fn len(&self) -> usize {
        self.put.len() + self.gone.len()
    }
}

/// Where to find an event, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    /// Its sequence.
    pub sequence: u64,
    /// Its record's place in the log.
    pub position: Position,
    /// Its type, as in `mcpctl.agent.deactivated.v1`.
    pub type_name: &'static str,
    /// Its subject, as in `agent/local-coder`.
    pub subject: String,
    /// When it was decided.
    pub time: LogTime,
}

/// What a user was granted, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// The user.
    pub user: Name,
    /// The verb, and the names.
    pub grant: Grant,
    /// Since when.
    pub created_at: LogTime,
}

/// All that one or more commits change in the tables. Written by [`Tables::apply`](crate::Tables::apply), at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The checkpoint that the tables must be at.
    pub(crate) previous: u64,
    /// Where the checkpoint goes.
    pub(crate) sequence: u64,
    pub(crate) head: Hash,
    pub(crate) position: Position,
    pub(crate) log_id: Uuid,
    pub(crate) events: Vec<IndexEntry>,
    pub(crate) llms: Changes<Arc<Llm>>,
    pub(crate) agents: Changes<Arc<Agent>>,
    pub(crate) projects: Changes<Arc<Project>>,
    pub(crate) personalities: Changes<Arc<Personality>>,
    pub(crate) prompts: Changes<Arc<Prompt>>,
    pub(crate) sessions: Changes<(SessionId, Session)>,
    pub(crate) tokens: Changes<Token>,
    pub(crate) bindings: Changes<Binding>,
}

impl Batch {
    /// Turns admitted commits, in log order, into a batch; `None` if there are none. `state` is the fold right after
    /// the last of them, has [tracked](State::track_touched) what they touched, and forgets that.
    pub fn collect<'a>(state: &mut State, admitted: impl IntoIterator<Item = &'a Decoded>) -> Option<Self> {
        let mut batch: Option<Self> = None;
        for entry in admitted {
            let Ok(record) = &entry.record else { continue };
            batch.get_or_insert_with(|| Self::after(&record.header)).index(entry, record);
        }
        let touched = state.take_touched();
        let mut batch = batch?;
        batch.rows(state, touched);
        Some(batch)
    }

    fn after(header: &Header) -> Self {
        Self {
            previous: header.first_sequence - 1,
            sequence: header.first_sequence - 1,
            head: Hash::NONE,
            position: Position::default(),
            log_id: header.log_id,
            events: Vec::new(),
            llms: Changes::default(),
            agents: Changes::default(),
            projects: Changes::default(),
            personalities: Changes::default(),
            prompts: Changes::default(),
            sessions: Changes::default(),
            tokens: Changes::default(),
            bindings: Changes::default(),
        }
    }

    fn index(&mut self, entry: &Decoded, record: &Record) {
        self.events.extend(index(entry, record));
        self.sequence += record.header.count;
        self.head = entry.hash;
        self.position = entry.position;
    }

    fn rows(&mut self, state: &State, mut touched: Vec<Touched>) {
        touched.sort_unstable();
        touched.dedup();
        for what in touched {
            match what {
                Touched::Llm(name) => self.llms.add(&name, state.llms.get(&name).cloned()),
                Touched::Agent(name) => self.agents.add(&name, state.agents.get(&name).cloned()),
                Touched::Project(name) => self.projects.add(&name, state.projects.get(&name).cloned()),
                Touched::Personality(name) => {
                    self.personalities.add(&name, state.personalities.get(&name).cloned());
                }
                Touched::Prompt(name) => self.prompts.add(&name, state.prompts.get(&name).cloned()),
                Touched::Session(id) => self.sessions.add(&id, session(state, &id)),
                Touched::Token(name) => self.tokens.add(&name, token(state, &name)),
                Touched::Grant(user, grant) => {
                    self.bindings.add(&binding_key(&user, &grant), binding(state, user, grant));
                }
            }
        }
    }

    /// The sequence that the tables are at after this batch.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The sequence that the tables must be at before this batch.
    pub fn previous(&self) -> u64 {
        self.previous
    }

    /// Ids of the sessions that are no more.
    pub fn forgotten_sessions(&self) -> &[String] {
        &self.sessions.gone
    }

    /// Rows and index entries in it.
    pub fn len(&self) -> usize {
        let documents = self.projects.len() + self.personalities.len() + self.prompts.len();
        let access = self.tokens.len() + self.bindings.len();
        self.events.len() + self.llms.len() + self.agents.len() + documents + self.sessions.len() + access
    }

    /// Whether nothing is in it; a commit has at least one event.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Makes the batch apply to tables that another projector has brought to `checkpoint`, in the middle of it; `None`
    /// if they hold all of it already. Its rows are final, so writing them over newer ones than it expected is right.
    #[must_use]
    pub fn onto(mut self, checkpoint: u64) -> Option<Self> {
        if checkpoint >= self.sequence {
            return None;
        }
        self.events.retain(|event| event.sequence > checkpoint);
        self.previous = self.previous.max(checkpoint);
        Some(self)
    }
}

/// The index entries of a record.
pub(crate) fn index<'a>(entry: &'a Decoded, record: &'a Record) -> impl Iterator<Item = IndexEntry> + 'a {
    (record.header.first_sequence..).zip(&record.events).map(|(sequence, event)| IndexEntry {
        sequence,
        position: entry.position,
        type_name: event.type_name(),
        subject: event.subject.to_string(),
        time: record.decided_at,
    })
}

fn session(state: &State, id: &SessionId) -> Option<(SessionId, Session)> {
    state.sessions.get(id).map(|session| (id.clone(), session.clone()))
}

fn token(state: &State, name: &Name) -> Option<Token> {
    state.token(name).cloned()
}

/// What tells one user's grant from all others.
pub(crate) fn binding_key(user: &Name, grant: &Grant) -> String {
    format!("{user} {grant}")
}

fn binding(state: &State, user: Name, grant: Grant) -> Option<Binding> {
    let created_at = *state.grants.get(&user)?.get(&grant)?;
    Some(Binding { user, grant, created_at })
}

/// A replica that keeps what the tables do not hold yet.
#[derive(Debug)]
pub struct Projection {
    replica: Replica,
    pending: Option<Batch>,
    unwritten: Option<Batch>,
}

impl Projection {
    /// Goes on from a replica that is where the tables are.
    pub fn new(mut replica: Replica) -> Self {
        replica.state.track_touched();
        replica.state.take_touched();
        Self { replica, pending: None, unwritten: None }
    }

    /// Takes the next record of the log.
    ///
    /// # Errors
    /// Why the fold stopped: the history was altered, or a record holds something unknown, which is named.
    pub fn take(&mut self, entry: &Decoded) -> Result<(), Stopped> {
        if self.replica.apply(entry)? == Verdict::Committed
            && let Ok(record) = &entry.record
        {
            self.pending.get_or_insert_with(|| Batch::after(&record.header)).index(entry, record);
        }
        Ok(())
    }

    /// Events that are not in a batch yet.
    pub fn pending(&self) -> usize {
        self.pending.as_ref().map_or(0, |batch| batch.events.len())
    }

    /// What the tables do not hold yet; first what was put back.
    pub fn batch(&mut self) -> Option<Batch> {
        if self.unwritten.is_some() {
            return self.unwritten.take();
        }
        let mut batch = self.pending.take()?;
        let touched = self.replica.state.take_touched();
        batch.rows(&self.replica.state, touched);
        Some(batch)
    }

    /// Keeps a batch that could not be written.
    pub fn put_back(&mut self, batch: Batch) {
        self.unwritten = Some(batch);
    }

    /// The replica as it stands.
    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    /// The replica; what is pending is dropped.
    pub fn into_replica(self) -> Replica {
        self.replica
    }
}
