//! The tools that a model is offered in one turn.

use super::{Allowed, Answer, connection::Connection, cut};
use crate::app::App;
use futures_util::future::join_all;
use mcpctl_events::{
    definition::document::{McpServer, ProjectDefinition},
    json::Json,
    name::Name,
};
use rmcp::model::{JsonObject, Tool};
use serde::Serialize;
use serde_json::value::RawValue;
use std::{collections::HashSet, sync::Arc};
use uuid::Uuid;

/// Most tools that a model is offered: no API takes more.
const MAX_TOOLS: usize = 128;
/// Most tools of all servers that are looked at.
const MAX_LISTED: usize = 2048;
/// Most bytes of what is said of a server.
const MAX_PROBLEM: usize = 500;
/// Longest name of a tool, as models' APIs have it.
const MAX_NAME: usize = 64;
/// Most tools of one name. A server says what it likes, and each is compared with those before it.
const MAX_NAMESAKES: usize = 16;

/// What a model may ask for.
#[derive(Default)]
pub struct Offer {
    /// The servers of the project.
    pub servers: Vec<Server>,
    /// The tools, those that are not allowed too.
    pub tools: Vec<Offered>,
}

/// A server of the project.
pub struct Server {
    /// Its name in the project.
    pub name: Name,
    /// Why it has no tools now.
    pub problem: Option<String>,
}

/// A tool.
pub struct Offered {
    /// The name that the model knows it by.
    pub name: String,
    /// The server's name in the project.
    pub server: Name,
    /// Whether the caller lets it run.
    pub allowed: bool,
    /// As its server has it.
    pub tool: Tool,
    connection: Arc<Connection>,
}

#[derive(Serialize)]
struct Written<'a> {
    #[serde(rename = "type")]
    type_: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    parameters: &'a JsonObject,
}

/// Asks all servers of a project for their tools, at once. Those that don't answer have none.
pub async fn offer(app: &App, user: Uuid, project: &ProjectDefinition, allowed: &Allowed) -> Offer {
    if allowed.is_nothing() {
        return Offer::default();
    }
    let listed = join_all(project.mcp_servers.iter().map(|server| listed(app, user, server))).await;
    let mut offer = Offer::default();
    for (server, listed) in project.mcp_servers.iter().zip(listed) {
        let problem = match listed {
            Ok((connection, tools)) => offer.add(server, &connection, tools, allowed),
            Err(problem) => Some(cut(problem, MAX_PROBLEM)),
        };
        offer.servers.push(Server { name: server.name.clone(), problem });
    }
    offer
}

/// The tools of a server. A connection that was kept and leads nowhere any more is made anew.
async fn listed(app: &App, user: Uuid, server: &McpServer) -> Result<(Arc<Connection>, Vec<Tool>), String> {
    loop {
        let (connection, is_kept) = app.tools.connection(user, server, &app.upstream).await?;
        match connection.tools().await {
            Ok(tools) => return Ok((connection, tools)),
            Err(_) if is_kept => app.tools.failed(user, server, &connection, None).await,
            Err(reason) => {
                app.tools.failed(user, server, &connection, Some(reason.clone())).await;
                return Err(reason);
            }
        }
    }
}

impl Offer {
    /// Adds the tools of a server; says if they are too many.
    fn add(
        &mut self,
        server: &McpServer,
        connection: &Arc<Connection>,
        tools: Vec<Tool>,
        allowed: &Allowed,
    ) -> Option<String> {
        let mut taken: HashSet<String> = self.tools.iter().map(|offered| offered.name.clone()).collect();
        let mut offered = self.allowed().count();
        for tool in tools {
            if self.tools.len() >= MAX_LISTED {
                return Some(format!("only {MAX_LISTED} tools are looked at, some of its are left out"));
            }
            let Some(name) = free_name(&format!("{}__{}", server.name, tool.name), &taken) else {
                return Some("too many of its tools have the same name, some of its are left out".to_owned());
            };
            taken.insert(name.clone());
            let allowed = allowed.allows(&name, &tool.name);
            if allowed && offered >= MAX_TOOLS {
                return Some(format!(
                    "only {MAX_TOOLS} tools can be offered at once, some of its are left out; allow fewer"
                ));
            }
            offered += usize::from(allowed);
            let (server, connection) = (server.name.clone(), connection.clone());
            self.tools.push(Offered { name, server, allowed, tool, connection });
        }
        None
    }

    /// Whether the model has something to ask for.
    pub fn is_empty(&self) -> bool {
        self.allowed().next().is_none()
    }

    fn allowed(&self) -> impl Iterator<Item = &Offered> {
        self.tools.iter().filter(|offered| offered.allowed)
    }

    /// As a model's API has it; none if there is nothing to offer.
    pub fn as_json(&self) -> Option<Json> {
        let written: Vec<_> = self.allowed().map(Offered::written).collect();
        let text = serde_json::to_string(&written).ok().filter(|_| !written.is_empty())?;
        Some(Json::new(&RawValue::from_string(text).ok()?))
    }

    /// Asks a tool by the name that the model knows it by. A name that it was not offered is answered, too.
    pub async fn call(&self, app: &App, name: &str, arguments: JsonObject) -> Answer {
        let Some(offered) = self.allowed().find(|offered| offered.name == name) else {
            let names: Vec<_> = self.allowed().map(|offered| offered.name.as_str()).collect();
            return Answer::failure(format_args!("there is no tool `{name}`; there are: {}", names.join(", ")));
        };
        offered.connection.call(offered.tool.name.to_string(), arguments, app.config.args.tool_timeout).await
    }
}

impl Offered {
    fn written(&self) -> Written<'_> {
        let (description, parameters) = (self.tool.description.as_deref(), &*self.tool.input_schema);
        Written { type_: "function", function: Function { name: &self.name, description, parameters } }
    }
}

/// A name of letters, digits, `_` and `-`, as models' APIs want it, that no other tool has.
fn free_name(wanted: &str, taken: &HashSet<String>) -> Option<String> {
    let letter = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' };
    let base: String = wanted.chars().map(letter).take(MAX_NAME).collect();
    let numbered = |number: usize| {
        let end = format!("_{number}");
        format!("{}{end}", &base[..base.len().min(MAX_NAME - end.len())])
    };
    let mut names = std::iter::once(base.clone()).chain((2..=MAX_NAMESAKES).map(numbered));
    names.find(|name| !taken.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_models_apis_take_and_each_is_there_once() {
        let mut taken = HashSet::new();
        let mut name = |wanted: &str| {
            let name = free_name(wanted, &taken).expect("a free one");
            assert!(name.len() <= MAX_NAME && taken.insert(name.clone()), "{name}");
            name
        };
        assert_eq!(name("calc__add"), "calc__add");
        assert_eq!(name("calc.v2__größer/als"), "calc_v2__gr__er_als");
        assert_eq!(name("calc__add"), "calc__add_2");
        assert_eq!(name("calc__add"), "calc__add_3");
        let long = "x".repeat(100);
        assert_eq!(name(&long), "x".repeat(64));
        assert_eq!(name(&long), format!("{}_2", "x".repeat(62)));
        for _ in 3..=MAX_NAMESAKES {
            let _ = name(&long);
        }
        assert_eq!(free_name(&long, &taken), None);
    }
}
