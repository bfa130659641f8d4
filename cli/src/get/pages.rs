//! A long list in a pipe: page by page, so that whoever reads it has the first rows at once.

use super::{definition, documents, names, nothing, route, table, told_as_of};
use crate::args::Get;
use crate::client::failure::Failure;
use crate::client::{Answer, Client};
use crate::output::document::Document;
use crate::output::pages::Pages;
use crate::output::table::Table;
use crate::output::times::Times;
use crate::output::{self, Format, clean};
use crate::past;
use crate::shell::Shell;
use std::collections::HashSet;

/// Rows of one answer.
const PAGE: u32 = 1000;

/// Writes the list. Each page is of its own moment, unless it is one of the past.
pub async fn run(shell: &Shell, client: &Client, options: &Get, format: Format) -> anyhow::Result<()> {
    let (mut writer, mut cursor, mut seen) = (Writer::new(format), None::<String>, HashSet::new());
    loop {
        let route = route(options).with("limit", Some(PAGE)).with("cursor", cursor.as_ref());
        let mut answer = client.get(&route).await.map_err(|error| past::called(error, "--as-of"))?;
        if cursor.is_none() {
            told_as_of(shell, options, &answer);
        }
        cursor = answer.next.take();
        if let Some(next) = cursor.as_ref().filter(|next| !seen.insert((*next).clone())) {
            let reason = format!("page {} was there already", clean::line(next));
            return Err(Failure::Malformed { reason }.into());
        }
        output::answer(&writer.page(options, &answer)?)?;
        if cursor.is_none() {
            break;
        }
    }
    if writer.is_empty && matches!(format, Format::Table | Format::Wide) {
        shell.screen.note(&nothing(options));
    }
    Ok(output::answer(writer.pages.end())?)
}

struct Writer {
    format: Format,
    pages: Pages,
    table: Option<Table>,
    is_empty: bool,
}

impl Writer {
    fn new(format: Format) -> Self {
        Self { format, pages: Pages::new(format), table: None, is_empty: true }
    }

    fn page(&mut self, options: &Get, answer: &Answer) -> anyhow::Result<String> {
        let noun = options.noun;
        Ok(match self.format {
            Format::Json => self.pages.text(&documents(answer)?),
            Format::Yaml => {
                let defined: Vec<Document> =
                    documents(answer)?.into_iter().map(|row| definition::of(noun, row)).collect();
                self.pages.text(&defined)
            }
            Format::Name => names(noun, &documents(answer)?),
            Format::Table | Format::Wide => {
                let wide = self.format == Format::Wide;
                let new = table(noun, answer, wide, Times::Exact)?;
                self.is_empty &= new.is_empty();
                let all = match self.table.take() {
                    Some(mut all) => {
                        all.take_rows(new);
                        all
                    }
                    None => new,
                };
                self.table.insert(all).flush(wide, false, None)
            }
        })
    }
}
