//! What goes along with something that is deleted.

use crate::args::Noun;
use crate::client::{Client, route::Route};
use crate::output::clean;
use serde::Deserialize;

/// Names that are told.
const TOLD: usize = 10;

#[derive(Deserialize)]
struct Row {
    name: String,
}

/// It in words, if there is any; what cannot be found out is not said.
pub async fn with(client: &Client, noun: Noun, name: &str) -> Option<String> {
    let lists: &[(Noun, &str)] = match noun {
        Noun::Llms => &[(Noun::Agents, "llm")],
        Noun::Agents => &[(Noun::Personalities, "agent"), (Noun::Prompts, "agent")],
        Noun::Projects => &[(Noun::Prompts, "project")],
        Noun::Personalities => &[(Noun::Prompts, "personality")],
        _ => &[],
    };
    let mut along = Vec::new();
    for (list, owner) in lists {
        // Public agents keep their Llm from being deleted.
        let of_publishers = (*list == Noun::Agents).then_some("virtual");
        let route = Route::api([list.list()]).with(owner, Some(name)).with("kind", of_publishers);
        let rows: Vec<Row> = client.get(&route).await.ok()?.read().ok()?;
        for Row { name } in rows {
            along.push(format!("{}/{}", list.word(), clean::line(&name)));
            if *list == Noun::Personalities {
                let route = Route::api(["prompts"]).with("personality", Some(&name));
                let prompts: Vec<Row> = client.get(&route).await.ok()?.read().ok()?;
                along.extend(prompts.iter().map(|row| format!("prompt/{}", clean::line(&row.name))));
            }
        }
    }
    told(along)
}

fn told(mut along: Vec<String>) -> Option<String> {
    let more = along.len().saturating_sub(TOLD);
    along.truncate(TOLD);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!along.is_empty()).then(|| format!("{}{rest}", along.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_along_is_named_as_far_as_a_line_goes() {
        assert_eq!(told(Vec::new()), None);
        assert_eq!(told(vec!["agent/a".to_owned(), "agent/b".to_owned()]).as_deref(), Some("agent/a, agent/b"));
        let many: Vec<_> = (0..12).map(|n| n.to_string()).collect();
        assert_eq!(told(many).as_deref(), Some("0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"));
    }
}
