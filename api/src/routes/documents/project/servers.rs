//! The MCP servers of a project, read and shown.

use crate::{json::Fields, routes::secrets};
use mcpctl_events::{
    definition::document::{EnvValue, McpCommand, McpServer, McpTransport},
    name::Name,
    wire::{documents, rows::ApiKeyRef, secrets::is_suspect},
};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Most servers of one project: each is asked for its tools when a chat begins.
const MAX_SERVERS: usize = 32;
const ONE_WAY: &str = "has either `url`, or `command` with `args` and `env`";
const VALUE: &str = "is a string, or {\"env\": \"NAME\"} or {\"file\": \"path\"} of the server";

pub(super) fn shown(server: &McpServer) -> documents::McpServer {
    let (mut url, mut command, mut args, mut env) = (None, None, Vec::new(), BTreeMap::new());
    match &server.transport {
        McpTransport::Http(address) => url = Some(address.clone()),
        McpTransport::Stdio(program) => {
            command = Some(program.command.clone());
            args.clone_from(&program.args);
            env = program.env.iter().map(|(name, value)| (name.clone(), shown_value(value))).collect();
        }
    }
    documents::McpServer { name: server.name.to_string(), url, command, args, env }
}

fn shown_value(value: &EnvValue) -> documents::EnvValue {
    match value {
        EnvValue::Value(text) => documents::EnvValue::Text(text.clone()),
        EnvValue::Env(name) => documents::EnvValue::From(ApiKeyRef { env: Some(name.clone()), file: None }),
        EnvValue::File(path) => documents::EnvValue::From(ApiKeyRef { env: None, file: Some(path.clone()) }),
    }
}

/// Takes `mcpServers` of a project.
pub(super) fn read(fields: &mut Fields<'_>) -> Vec<McpServer> {
    let values = fields.array("mcpServers").unwrap_or_default();
    if values.len() > MAX_SERVERS {
        fields.problem("mcpServers", format!("has at most {MAX_SERVERS} servers"));
        return Vec::new();
    }
    let mut servers: Vec<McpServer> = Vec::with_capacity(values.len());
    for (index, value) in values.into_iter().enumerate() {
        let pointer = format!("{}/{index}", fields.at("mcpServers"));
        let Some(members) = fields.nested(pointer.clone(), value) else {
            fields.problem_at(&pointer, ONE_WAY);
            continue;
        };
        let Some(server) = server(members.null_is_absent()) else { continue };
        if servers.iter().any(|other| other.name == server.name) {
            fields.problem_at(&format!("{pointer}/name"), format!("`{}` is there twice", server.name));
        }
        servers.push(server);
    }
    servers
}

fn server(mut fields: Fields<'_>) -> Option<McpServer> {
    let name: Option<Name> = fields.required_name("name");
    let by_url = fields.is_there("url");
    if by_url == fields.is_there("command") || by_url && (fields.is_there("args") || fields.is_there("env")) {
        fields.problem("", ONE_WAY);
        return None;
    }
    let transport = if by_url {
        fields.url("url", ", which everyone could read here").map(McpTransport::Http)
    } else {
        program(&mut fields)
    };
    fields.refuse_unknown();
    Some(McpServer { name: name?, transport: transport? })
}

fn program(fields: &mut Fields<'_>) -> Option<McpTransport> {
    let command = fields.required_string("command");
    let args = fields.strings("args").unwrap_or_default();
    let env = environment(fields);
    Some(McpTransport::Stdio(McpCommand { command: command?, args, env }))
}

fn environment(fields: &mut Fields<'_>) -> BTreeMap<String, EnvValue> {
    let at = fields.at("env");
    let Some(value) = fields.raw("env") else { return BTreeMap::new() };
    let Some(mut members) = fields.nested(at, value) else {
        fields.problem("env", "is an object");
        return BTreeMap::new();
    };
    let mut env = BTreeMap::new();
    for (name, value) in members.take_all() {
        if name.is_empty() || name.contains('=') {
            members.problem(&name, "is no name of an environment variable");
        } else if let Some(value) = env_value(&members, &name, value) {
            env.insert(name, value);
        }
    }
    env
}

fn env_value<'a>(members: &Fields<'a>, name: &str, value: &'a RawValue) -> Option<EnvValue> {
    if let Ok(text) = serde_json::from_str::<String>(value.get()) {
        if is_suspect(name) {
            let reason = "looks like a secret, which everyone could read here; give {\"env\": \"NAME\"} or \
                          {\"file\": \"path\"} of the server";
            members.problem(name, reason);
        }
        return Some(EnvValue::Value(text));
    }
    let place = secrets::place(members, name, value, VALUE)?;
    place.env.map(EnvValue::Env).or_else(|| place.file.map(EnvValue::File))
}
