//! One client that writes all kinds of things, and remembers what was acknowledged.

use mcpctl_tests::{Answer, Client, random::Random, samples};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// A row is `w<worker>-<n>`; a publisher's session, its Llm and its agent share the name.
pub struct Worker {
    number: usize,
    random: Random,
    count: u64,
    rows: BTreeMap<String, Row>,
    in_doubt: Option<Write>,
    /// Sequence and row of every write that was acknowledged when it was first sent.
    pub acknowledged: Vec<(u64, String)>,
}

#[derive(Clone, Debug, PartialEq)]
struct Row {
    is_virtual: bool,
    description: String,
    version: u64,
}

/// A write, and what it makes of its row: nothing, if it deletes it.
#[derive(Clone, Debug)]
struct Write {
    key: String,
    name: String,
    method: Method,
    path: String,
    body: Option<Value>,
    if_match: Option<u64>,
    status: u16,
    after: Option<Row>,
}

impl Worker {
    pub fn new(number: usize, random: Random) -> Self {
        Self { number, random, count: 0, rows: BTreeMap::new(), in_doubt: None, acknowledged: Vec::new() }
    }

    pub fn knows(&self, name: &str) -> bool {
        self.rows.contains_key(name) || self.in_doubt.as_ref().is_some_and(|write| write.name == name)
    }

    /// Writes until the server is gone. What was in doubt is sent again first, with its key.
    pub async fn write_until_broken(&mut self, client: &Client) {
        let mut up = self.settle(client).await;
        while up {
            let write = self.next();
            self.in_doubt = Some(write.clone());
            up = self.send(client, write, false).await;
        }
    }

    /// Sends what is in doubt again: it must be there once, whether or not it was before.
    pub async fn settle(&mut self, client: &Client) -> bool {
        match self.in_doubt.clone() {
            Some(write) => self.send(client, write, true).await,
            None => true,
        }
    }

    /// True if the write was acknowledged.
    async fn send(&mut self, client: &Client, write: Write, again: bool) -> bool {
        let request = write.request(client).timeout(Duration::from_secs(20));
        let answer: Answer = match Client::try_send(request).await {
            Ok(answer) if answer.status == 503 => return false,
            Ok(answer) => answer,
            Err(_) => return false,
        };
        assert_eq!(answer.status, write.status, "{write:?}: {}", answer.text);
        if !again {
            self.acknowledged.push((answer.sequence(), write.name.clone()));
        }
        match write.after {
            Some(row) => self.rows.insert(write.name, row),
            None => self.rows.remove(&write.name),
        };
        self.in_doubt = None;
        true
    }

    fn next(&mut self) -> Write {
        self.count += 1;
        let chosen = self.random.below(self.rows.len().max(1) as u64);
        let chosen = self.rows.iter().nth(usize::try_from(chosen).expect("an index"));
        let chosen = chosen.map(|(name, row)| (name.clone(), row.clone()));
        let description = format!("written {}", self.count);
        match (self.random.below(10), chosen) {
            (0..=2, Some((name, _))) => self.delete(name),
            (3..=5, Some((name, row))) => self.update(name, Row { description, version: row.version + 1, ..row }),
            (choice, _) => self.create(description, choice >= 8),
        }
    }

    fn write(&self, name: String, method: Method, path: String, status: u16, after: Option<Row>) -> Write {
        let key = format!("{}-{}", self.number, self.count);
        Write { key, name, method, path, body: None, if_match: None, status, after }
    }

    fn create(&self, description: String, is_virtual: bool) -> Write {
        let name = format!("w{}-{}", self.number, self.count);
        let row = Row { is_virtual, description, version: 1 };
        if is_virtual {
            return self.register(name, row);
        }
        let body = row.public(&name);
        Write { body: Some(body), ..self.write(name, Method::POST, "/llms".into(), 201, Some(row)) }
    }

    fn register(&self, name: String, row: Row) -> Write {
        let (mut llm, mut agent) = (samples::llm(&name), samples::agent(&name, &name));
        llm["description"] = json!(row.description);
        agent["description"] = json!(row.description);
        let body = json!({"providerSessionId": name, "providers": [llm], "agents": [agent]});
        let path = "/llms/_provider-register".into();
        Write { body: Some(body), ..self.write(name, Method::POST, path, 201, Some(row)) }
    }

    fn update(&self, name: String, row: Row) -> Write {
        if row.is_virtual {
            return self.register(name, row);
        }
        let (body, if_match) = (Some(row.public(&name)), Some(row.version - 1));
        let path = format!("/llms/{name}");
        Write { body, if_match, ..self.write(name, Method::PUT, path, 200, Some(row)) }
    }

    fn delete(&self, name: String) -> Write {
        let path = format!("/llms/{name}");
        self.write(name, Method::DELETE, path, 204, None)
    }

    /// The tables hold what was acknowledged; the row in doubt may be as before or as after.
    pub fn compare(&self, llms: &BTreeMap<String, Value>, agents: &BTreeMap<String, Value>) {
        for (name, row) in &self.rows {
            let mut allowed = vec![Some(row.clone())];
            allowed.extend(self.in_doubt.iter().filter(|write| write.name == *name).map(|write| write.after.clone()));
            assert!(allowed.contains(&found(llms, name)), "{name} is {:?}, not {allowed:?}", found(llms, name));
            if row.is_virtual {
                let agent = agents.get(name).map(|agent| (&agent["description"], &agent["llm"]["name"]));
                let llm = llms.get(name).map(|llm| (&llm["description"], &llm["name"]));
                assert_eq!(agent, llm, "agent {name} does not go with its Llm: a register was torn");
            }
        }
    }
}

fn found(llms: &BTreeMap<String, Value>, name: &str) -> Option<Row> {
    let row = llms.get(name)?;
    Some(Row {
        is_virtual: row["kind"] == "virtual",
        description: row["description"].as_str().unwrap_or_default().to_owned(),
        version: row["version"].as_u64().unwrap_or_default(),
    })
}

impl Row {
    fn public(&self, name: &str) -> Value {
        json!({"name": name, "type": "openai", "model": "m", "url": "http://127.0.0.1:9", "description": self.description})
    }
}

impl Write {
    fn request(&self, client: &Client) -> RequestBuilder {
        let mut request = client.request(self.method.clone(), &self.path).header("idempotency-key", &self.key);
        if let Some(version) = self.if_match {
            request = request.header("if-match", version.to_string());
        }
        match &self.body {
            Some(body) => request.json(body),
            None => request,
        }
    }
}
