//! The rules: what a command means for the registry as it stands. Pure: the same state, command and context give the
//! same events, or the same refusal.

mod document;
mod public;
mod quota;
mod register;
mod session;
mod sweep;
mod token;
mod user;

#[cfg(test)]
mod tests;

pub use quota::Quotas;
pub use sweep::{Retained, SweepPlan, holder, plan_retention, retained};

use crate::{
    command::Command,
    definition::{
        AgentDefinition, LlmDefinition,
        document::{PersonalityDefinition, ProjectDefinition, PromptDefinition},
    },
    event::Event,
    rejection::Rejection,
    state::State,
    time::LogTime,
};
use uuid::Uuid;

/// What a decision knows besides the state and the command.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// Log time of the decision.
    pub now: LogTime,
    /// The log that the decision will be written to.
    pub log_id: Uuid,
    /// How much there may be.
    pub quotas: Quotas,
}

/// Decides a command. No events: the command is fulfilled already, nothing changes.
///
/// # Errors
/// The reason why the command is refused; of a declaration, every entry that is in the way.
pub fn decide(state: &State, command: &Command, context: Context) -> Result<Vec<Event>, Rejection> {
    let events = ruled(state, command, context)?;
    quota::check(state, command, &events, context.quotas)?;
    Ok(events)
}

fn ruled(state: &State, command: &Command, context: Context) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::Register(register) => register::register(state, register, context.now),
        Command::Connect(connect) => session::connect(state, connect),
        Command::Disconnect(disconnect) => Ok(session::disconnect(state, disconnect)),
        Command::CloseBoots(close) => Ok(session::close_boots(state, close)),
        Command::Deactivate(deactivate) => Ok(session::deactivate(state, deactivate)),
        Command::Revive(revive) => session::revive(state, revive),
        Command::Wake(wake) => Ok(session::wake(state, wake)),
        Command::Expire(expire) => Ok(sweep::expire(state, expire)),
        Command::DeleteExpiredAgents(retention) => Ok(sweep::delete_agents(state, retention)),
        Command::DeleteExpiredLlm(retention) => Ok(sweep::delete_llm(state, retention)),
        Command::SuspendExpiry(suspend) => Ok(sweep::suspend(state, suspend, context.log_id)),
        Command::ResumeExpiry { sweep_id } => Ok(sweep::resume(state, *sweep_id, context.log_id)),
        Command::CreateLlm(create) => public::create(state, create),
        Command::CreateAgent(create) => public::create(state, create),
        Command::PutLlm(put) => public::put(state, put),
        Command::PutAgent(put) => public::put(state, put),
        Command::DeleteLlm(delete) => public::delete_llm(state, delete),
        Command::DeleteAgent(delete) => public::delete_agent(state, delete),
        Command::SwitchLlm(switch) => public::switch::<LlmDefinition>(state, switch),
        Command::SwitchAgent(switch) => public::switch::<AgentDefinition>(state, switch),
        Command::CreateProject(create) => document::create(state, create),
        Command::CreatePersonality(create) => document::create(state, create),
        Command::CreatePrompt(create) => document::create(state, create),
        Command::PutProject(put) => document::put(state, put),
        Command::PutPersonality(put) => document::put(state, put),
        Command::PutPrompt(put) => document::put(state, put),
        Command::DeleteProject(name) => document::delete::<ProjectDefinition>(state, name),
        Command::EmptyProject(name) => Ok(document::empty_project(state, name)),
        Command::DeletePersonality(name) => document::delete::<PersonalityDefinition>(state, name),
        Command::DeletePrompt(name) => document::delete::<PromptDefinition>(state, name),
        Command::IssueToken(issue) => token::issue(state, issue),
        Command::RevokeToken(name) => token::revoke(state, name),
        Command::Grant(grant) => user::grant(state, grant),
        Command::Withdraw(grant) => user::withdraw(state, grant),
    }
}
