//! OpenAI's API, for programs that speak it.

#[path = "openai/agents.rs"]
mod agents;
#[path = "openai/browsers.rs"]
mod browsers;
#[path = "openai/errors.rs"]
mod errors;
#[path = "openai/fidelity.rs"]
mod fidelity;
#[path = "openai/models.rs"]
mod models;
#[path = "openai/sdks.rs"]
mod sdks;
