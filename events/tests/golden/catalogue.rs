//! `docs/events.md`: the catalogue of events, made from the types, their comments, and the committed examples.

use super::examples::examples;
use mcpctl_events::event::Event;
use std::{collections::BTreeMap, fmt::Write, fs, path::PathBuf};
use syn::{Attribute, Expr, Fields, GenericArgument, Item, Lit, Meta, PathArguments, Type};

/// What the catalogue reads, in the order of the parts of the core.
const SOURCES: [&str; 9] = [
    "event/row.rs",
    "event/document.rs",
    "event/session.rs",
    "event/token.rs",
    "event/user.rs",
    "event/registry.rs",
    "definition.rs",
    "definition/document.rs",
    "wire/rows.rs",
];

const HEAD: &str = "# Events

Everything that happens to the registry is one of these events. `GET /api/v1/events` lists and follows them as CloudEvents
1.0; so do `mcpctl events`, `history` and `why`. The log holds them by the record: all events of one change are in one.

```json
{
  \"specversion\": \"1.0\",
  \"id\": \"<log id>/<sequence>\",
  \"source\": \"/mcpctl/<log id>\",
  \"type\": \"mcpctl.agent.deactivated.v1\",
  \"subject\": \"agent/local-coder\",
  \"time\": \"2026-01-31T12:00:00.000Z\",
  \"sequence\": \"17\",
  \"actor\": \"system/sweep\",
  \"datacontenttype\": \"application/json\",
  \"data\": { }
}
```

`id` is unique and never used again; `sequence` has no gaps; `time` never goes back. `actor` is `user/<name>` or
`system/<part>`. A type is never changed: a new shape is a new version of the type, and every version stays readable for
ever. New optional fields may come; readers pass over what they don't know. Where a field is optional and there is
nothing to say, it is left out.

This file is made from the types in `events/src/` and their examples in `events/golden/`, and a test keeps it true.
";

#[test]
fn the_catalogue_says_what_the_types_say() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/events.md");
    let written = catalogue();
    if fs::read_to_string(&path).unwrap_or_default() != written {
        let wanted = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("events.md");
        fs::write(&wanted, written).unwrap();
        panic!("docs/events.md is not what the types say: look at {}, and copy it there", wanted.display());
    }
}

fn catalogue() -> String {
    let types = Types::read();
    let mut text = HEAD.to_owned();
    let mut resources: Vec<(String, Vec<Event>)> = Vec::new();
    for event in examples() {
        let resource = event.type_name().split('.').nth(1).unwrap().to_owned();
        match resources.iter_mut().find(|(known, _)| *known == resource) {
            Some((_, events)) => events.push(event),
            None => resources.push((resource, vec![event])),
        }
    }
    text += "\n## All types\n\n| type | what happened | data |\n| --- | --- | --- |\n";
    for event in resources.iter().flat_map(|(_, events)| events) {
        let (what, data) = types.of(event);
        let (name, data) = (event.type_name(), linked(&data));
        writeln!(text, "| [`{name}`](#{}) | {what} | {data} |", anchor(name)).unwrap();
    }
    text += "\n## Causes\n\nThe `cause` of what happens to an Llm or an agent:\n\n";
    types.words_of("Cause", &mut text);
    text += "\nAnd of what happens to a project, a personality or a prompt:\n\n";
    types.words_of("document::Cause", &mut text);
    let mut shapes: Vec<String> = Vec::new();
    for (resource, events) in &resources {
        writeln!(text, "\n## {resource}\n\nThe subject is as in `{}`.", events[0].subject).unwrap();
        for event in events {
            let (what, data) = types.of(event);
            writeln!(text, "\n### {}\n\n{what} Data: {}.\n", event.type_name(), linked(&data)).unwrap();
            writeln!(text, "```json\n{}\n```", members_by_line(event)).unwrap();
            if !shapes.contains(&data) {
                shapes.push(data);
            }
        }
    }
    text += "\n## Data\n";
    for shape in &shapes {
        writeln!(text, "\n### {}\n\n{}\n", title(shape), types.structs[shape].comment).unwrap();
        types.fields_of(shape, &mut text);
    }
    text += "\n## Definitions\n";
    for name in ["LlmDefinition", "AgentDefinition", "ProjectDefinition", "PersonalityDefinition", "PromptDefinition"] {
        writeln!(text, "\n### {name}\n\n{}\n", types.structs[name].comment).unwrap();
        types.fields_of(name, &mut text);
    }
    for name in ["Pin", "ApiKeyRef", "McpServer", "McpCommand"] {
        writeln!(text, "\n### {name}\n\n{}\n", types.structs[name].comment).unwrap();
        types.fields_of(name, &mut text);
    }
    for name in ["McpTransport", "EnvValue", "PromptOwner"] {
        writeln!(text, "\n### {name}\n\n{} An object with one of these members:\n", types.enums[name].comment).unwrap();
        types.words_of(name, &mut text);
    }
    text
}

/// As GitHub makes it of a heading.
fn anchor(heading: &str) -> String {
    heading.to_lowercase().replace('.', "").replace(' ', "-")
}

/// The heading of a shape of data.
fn title(shape: &str) -> String {
    shape.strip_prefix("document::").map_or_else(|| shape.to_owned(), |name| format!("{name} of a document"))
}

fn linked(shape: &str) -> String {
    let title = title(shape);
    format!("[{title}](#{})", anchor(&title))
}

/// The data of an event, each of its members on a line of its own, token for token.
fn members_by_line(event: &Event) -> String {
    let written = serde_json::to_string(&event.body).unwrap();
    let (mut text, mut depth, mut in_text, mut escaped) = (String::new(), 0, false, false);
    for letter in written.chars() {
        let ends = letter == '}' && depth == 1 && !in_text;
        text.push_str(if ends { "\n" } else { "" });
        text.push(letter);
        match letter {
            '"' if !escaped => in_text = !in_text,
            '{' | '[' if !in_text => depth += 1,
            '}' | ']' if !in_text => depth -= 1,
            _ => {}
        }
        escaped = letter == '\\' && !escaped;
        let begins = letter == '{' && depth == 1 && !in_text;
        if begins || (letter == ',' && depth == 1 && !in_text) {
            text.push_str("\n  ");
        }
    }
    text
}

/// A type with its comment and its members, each with type, comment, and whether it may be left out.
struct Described {
    comment: String,
    members: Vec<Member>,
}

struct Member {
    name: String,
    /// Of a variant with a value: the name of that.
    of: Option<Type>,
    comment: String,
    optional: bool,
}

#[derive(Default)]
struct Types {
    structs: BTreeMap<String, Described>,
    enums: BTreeMap<String, Described>,
    /// Of both row and document events: what happened, by the word in the type.
    row_events: BTreeMap<String, (String, String)>,
    document_events: BTreeMap<String, (String, String)>,
}

impl Types {
    fn read() -> Self {
        let mut types = Self::default();
        for source in SOURCES {
            let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src").join(source);
            let file = syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap();
            for item in file.items {
                types.add(item, source == "event/document.rs");
            }
        }
        types
    }

    fn add(&mut self, item: Item, of_documents: bool) {
        // Row and document events have types of the same name, which are told apart.
        let named = |ident: &syn::Ident| if of_documents { format!("document::{ident}") } else { ident.to_string() };
        match item {
            Item::Struct(item) => {
                let camel = serde(&item.attrs).contains("camelCase");
                let Fields::Named(fields) = item.fields else { return };
                let members = fields.named.into_iter().map(|field| {
                    let (attrs, ident) = (serde(&field.attrs), field.ident.unwrap().to_string());
                    let renamed = attrs.split("rename = \"").nth(1).and_then(|rest| rest.split('"').next());
                    let name =
                        renamed.map_or_else(|| if camel { camel_case(&ident) } else { ident.clone() }, str::to_owned);
                    let optional = attrs.contains("skip_serializing_if");
                    Member { name, of: Some(field.ty), comment: comment(&field.attrs), optional }
                });
                let described = Described { comment: comment(&item.attrs), members: members.collect() };
                self.structs.insert(named(&item.ident), described);
            }
            Item::Enum(item) if item.ident == "RowEvent" || item.ident == "DocumentEvent" => {
                for variant in item.variants {
                    let word = snake_case(&variant.ident.to_string());
                    let data = variant.fields.iter().next().map(|field| name_of(&field.ty)).unwrap();
                    let data = if of_documents { format!("document::{data}") } else { data };
                    let events = if of_documents { &mut self.document_events } else { &mut self.row_events };
                    events.insert(word, (comment(&variant.attrs), data));
                }
            }
            Item::Enum(item) => {
                let rename = serde(&item.attrs);
                let members = item.variants.into_iter().map(|variant| {
                    let ident = variant.ident.to_string();
                    let name = match () {
                        () if rename.contains("snake_case") => snake_case(&ident),
                        () if rename.contains("kebab-case") => snake_case(&ident).replace('_', "-"),
                        () => ident.to_lowercase(),
                    };
                    let of = variant.fields.into_iter().next().map(|field| field.ty);
                    Member { name, of, comment: comment(&variant.attrs), optional: false }
                });
                let described = Described { comment: comment(&item.attrs), members: members.collect() };
                self.enums.insert(named(&item.ident), described);
            }
            _ => {}
        }
    }

    /// What an event says happened, and the type of its data.
    fn of(&self, event: &Event) -> (String, String) {
        let mut words = event.type_name().split('.').skip(1);
        let (resource, what) = (words.next().unwrap(), words.next().unwrap());
        match resource {
            "llm" | "agent" => self.row_events[what].clone(),
            "project" | "personality" | "prompt" => self.document_events[what].clone(),
            _ => {
                let prefix = if matches!(resource, "registry" | "user") { String::new() } else { capital(resource) };
                let data = what.split('_').fold(prefix, |name, part| name + &capital(part));
                (self.structs[&data].comment.clone(), data)
            }
        }
    }

    fn fields_of(&self, name: &str, text: &mut String) {
        text.push_str("| field | type | meaning |\n| --- | --- | --- |\n");
        for member in &self.structs[name].members {
            let optional = if member.optional { ", optional" } else { "" };
            let of = member.of.as_ref().map(|of| self.shown(of, name)).unwrap_or_default();
            let of = if member.optional { of.trim_end_matches(" or null").to_owned() } else { of };
            writeln!(text, "| `{}` | {of}{optional} | {} |", member.name, member.comment).unwrap();
        }
    }

    fn words_of(&self, name: &str, text: &mut String) {
        text.push_str("| word | meaning |\n| --- | --- |\n");
        for member in &self.enums[name].members {
            let of = member.of.as_ref().map(|of| format!(" ({})", self.shown(of, name))).unwrap_or_default();
            writeln!(text, "| `{}` | {}{of} |", member.name, member.comment).unwrap();
        }
    }

    /// A type as people call it.
    fn shown(&self, of: &Type, within: &str) -> String {
        let name = name_of(of);
        let inner = |nth: usize| argument(of, nth).map(|inner| self.shown(&inner, within)).unwrap_or_default();
        let scoped = within.split_once("::").map(|(scope, _)| format!("{scope}::{name}"));
        let known = scoped.filter(|name| self.enums.contains_key(name)).unwrap_or_else(|| name.clone());
        match name.as_str() {
            "Option" => inner(0) + " or null",
            "Arc" => "[definition](#definitions)".to_owned(),
            "Vec" => format!("list of {}", inner(0)),
            "BTreeMap" => format!("object: {} by name", inner(1)),
            "Labels" => "object: text by name".to_owned(),
            "Json" => "object".to_owned(),
            "Uuid" => "UUID".to_owned(),
            "LogTime" => "time".to_owned(),
            "Hash" => "SHA-256 in hex".to_owned(),
            "Name" => "name".to_owned(),
            "String" | "SessionId" | "Grant" => "text".to_owned(),
            "u32" | "u64" | "i32" => "number".to_owned(),
            "bool" => "true or false".to_owned(),
            "Cause" => "[cause](#causes)".to_owned(),
            _ => match self.enums.get(&known) {
                Some(words) if words.members.iter().all(|word| word.of.is_none()) => {
                    let words: Vec<_> = words.members.iter().map(|word| format!("`{}`", word.name)).collect();
                    words.join(", ")
                }
                _ => format!("[{name}](#{})", name.to_lowercase()),
            },
        }
    }
}

fn name_of(of: &Type) -> String {
    match of {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default(),
        other => panic!("a type that the catalogue does not know: {other:?}"),
    }
}

fn argument(of: &Type, nth: usize) -> Option<Type> {
    let Type::Path(path) = of else { return None };
    let PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else { return None };
    match arguments.args.iter().nth(nth)? {
        GenericArgument::Type(of) => Some(of.clone()),
        _ => None,
    }
}

fn comment(attrs: &[Attribute]) -> String {
    let line = |attr: &Attribute| {
        let Meta::NameValue(value) = &attr.meta else { return None };
        let Expr::Lit(literal) = &value.value else { return None };
        let Lit::Str(text) = &literal.lit else { return None };
        attr.path().is_ident("doc").then(|| text.value().trim().to_owned())
    };
    attrs.iter().filter_map(line).collect::<Vec<_>>().join(" ").trim().to_owned()
}

/// What serde is told, as text.
fn serde(attrs: &[Attribute]) -> String {
    let of_serde = attrs.iter().filter(|attr| attr.path().is_ident("serde"));
    let tokens = of_serde.filter_map(|attr| attr.meta.require_list().ok().map(|list| list.tokens.to_string()));
    tokens.collect::<Vec<_>>().join(" ")
}

fn camel_case(snake: &str) -> String {
    let mut parts = snake.trim_end_matches('_').split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| name + &capital(part))
}

fn snake_case(camel: &str) -> String {
    camel.chars().enumerate().fold(String::new(), |mut text, (at, letter)| {
        if letter.is_uppercase() && at > 0 {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
        text
    })
}

fn capital(word: &str) -> String {
    word[..1].to_uppercase() + &word[1..]
}
