//! Projects, personalities and prompts.

use super::{
    At, Page, StoreError, Tables,
    database::Cells,
    rows::{Select, json_text},
    statement::{Script, Table, Value},
};
use crate::projection::Changes;
use mcpctl_events::{
    definition::document::{PersonalityDefinition, ProjectDefinition, PromptDefinition, PromptOwner},
    state::Document,
};
use std::sync::Arc;

/// Which documents of a kind, and how many. The default is all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DocumentFilter {
    /// Of the agent of this name; personalities and prompts.
    pub agent: Option<String>,
    /// Of the project of this name; prompts.
    pub project: Option<String>,
    /// Of the personality of this name; prompts.
    pub personality: Option<String>,
    /// With this text in the name or in what people read of it, in any case of letters.
    pub q: Option<String>,
    /// With a name after this one.
    pub after: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
}

/// What a definition needs to be kept in a table of documents.
pub(crate) trait Stored: Sized + Send + Sync + 'static {
    /// Its table: the columns of every document, `name` first, then the definition's.
    const TABLE: Table;
    /// The column that people read.
    const TEXT: &'static str;
    /// The definition's values, in the order of the table.
    fn bind(&self) -> Vec<Value>;
    /// The same, back.
    fn read(cells: &mut Cells) -> Result<Self, String>;
}

impl Tables {
    /// Projects by name.
    pub async fn projects(&self, filter: &DocumentFilter) -> Result<Page<Document<ProjectDefinition>>, StoreError> {
        self.documents(filter).await
    }

    /// Personalities by name.
    pub async fn personalities(
        &self,
        filter: &DocumentFilter,
    ) -> Result<Page<Document<PersonalityDefinition>>, StoreError> {
        self.documents(filter).await
    }

    /// Prompts by name.
    pub async fn prompts(&self, filter: &DocumentFilter) -> Result<Page<Document<PromptDefinition>>, StoreError> {
        self.documents(filter).await
    }

    /// The project of this name, or else of this id.
    pub async fn project(&self, name_or_id: &str) -> Result<At<Option<Document<ProjectDefinition>>>, StoreError> {
        self.document(name_or_id).await
    }

    /// The personality of this name, or else of this id.
    pub async fn personality(
        &self,
        name_or_id: &str,
    ) -> Result<At<Option<Document<PersonalityDefinition>>>, StoreError> {
        self.document(name_or_id).await
    }

    /// The prompt of this name, or else of this id.
    pub async fn prompt(&self, name_or_id: &str) -> Result<At<Option<Document<PromptDefinition>>>, StoreError> {
        self.document(name_or_id).await
    }

    async fn documents<D: Stored>(&self, filter: &DocumentFilter) -> Result<Page<Document<D>>, StoreError> {
        let mut select = select::<D>();
        let owners = [
            ("t.agent = ", &filter.agent),
            ("t.project = ", &filter.project),
            ("t.personality = ", &filter.personality),
        ];
        for (column, owner) in owners {
            if let Some(owner) = owner {
                select.and(column).arg(owner.as_str());
            }
        }
        if let Some(q) = &filter.q {
            select.mentions(D::TEXT, q);
        }
        if let Some(after) = &filter.after {
            select.and("t.name > ").arg(after.as_str());
        }
        let found = self.fetch(select.finish(filter.limit), read::<D>).await?;
        Ok(found.page(filter.limit, |document| document.name.to_string()))
    }

    async fn document<D: Stored>(&self, name_or_id: &str) -> Result<At<Option<Document<D>>>, StoreError> {
        let mut select = select::<D>();
        select.is(name_or_id);
        let found = self.fetch(select.finish(None), read::<D>).await?;
        Ok(found.named(|document| document.name.as_str() == name_or_id))
    }
}

fn select<D: Stored>() -> Select {
    let columns: Vec<_> = D::TABLE.columns.iter().map(|column| format!("t.{column}")).collect();
    Select::new(&format!("SELECT {} FROM {} AS t", columns.join(","), D::TABLE.name))
}

/// Writes and deletes documents.
pub(super) fn write<D: Stored>(script: &mut Script, changes: &Changes<Arc<Document<D>>>) {
    script.delete(&D::TABLE, &changes.gone);
    script.upsert(&D::TABLE, &changes.put, |document| bind(document));
}

/// The values of a document, in the order of its table.
pub(super) fn bind<D: Stored>(document: &Document<D>) -> Vec<Value> {
    let mut values = Vec::with_capacity(D::TABLE.columns.len());
    values.extend([
        Value::from(document.name.as_str()),
        Value::text(document.id),
        Value::text(document.owner),
        document.version.into(),
        document.created_at.into(),
        document.updated_at.into(),
    ]);
    values.extend(document.definition.bind());
    values
}

fn read<D: Stored>(cells: &mut Cells) -> Result<Document<D>, String> {
    Ok(Document {
        name: cells.word()?,
        id: cells.parse()?,
        owner: cells.parse()?,
        version: cells.number()?,
        created_at: cells.parse()?,
        updated_at: cells.parse()?,
        definition: Arc::new(D::read(cells)?),
    })
}

impl Stored for ProjectDefinition {
    #[rustfmt::skip]
    const TABLE: Table = Table {
        name: "projects",
        columns: &[
            "name", "id", "owner_id", "version", "created_at", "updated_at",
            "description", "mcp_servers",
        ],
    };
    const TEXT: &'static str = "description";

    fn bind(&self) -> Vec<Value> {
        vec![Value::Text(self.description.clone()), json_text(&self.mcp_servers).into()]
    }

    fn read(cells: &mut Cells) -> Result<Self, String> {
        Ok(Self { description: cells.text_or_null()?.map(str::to_owned), mcp_servers: cells.json()? })
    }
}

impl Stored for PersonalityDefinition {
    #[rustfmt::skip]
    const TABLE: Table = Table {
        name: "personalities",
        columns: &[
            "name", "id", "owner_id", "version", "created_at", "updated_at",
            "agent", "description",
        ],
    };
    const TEXT: &'static str = "description";

    fn bind(&self) -> Vec<Value> {
        vec![self.agent.as_str().into(), Value::Text(self.description.clone())]
    }

    fn read(cells: &mut Cells) -> Result<Self, String> {
        Ok(Self { agent: cells.word()?, description: cells.text_or_null()?.map(str::to_owned) })
    }
}

impl Stored for PromptDefinition {
    #[rustfmt::skip]
    const TABLE: Table = Table {
        name: "prompts",
        columns: &[
            "name", "id", "owner_id", "version", "created_at", "updated_at",
            "content", "priority", "agent", "project", "personality",
        ],
    };
    const TEXT: &'static str = "content";

    fn bind(&self) -> Vec<Value> {
        let mut owners = [Value::Text(None), Value::Text(None), Value::Text(None)];
        let (place, name) = match &self.owner {
            PromptOwner::Agent(name) => (0, name),
            PromptOwner::Project(name) => (1, name),
            PromptOwner::Personality(name) => (2, name),
        };
        owners[place] = name.as_str().into();
        let own = [self.content.as_str().into(), Value::Int(Some(self.priority.into()))];
        own.into_iter().chain(owners).collect()
    }

    fn read(cells: &mut Cells) -> Result<Self, String> {
        let (content, priority) = (cells.text()?.to_owned(), cells.number()?);
        let agent = cells.word_or_null()?.map(PromptOwner::Agent);
        let project = cells.word_or_null()?.map(PromptOwner::Project);
        let personality = cells.word_or_null()?.map(PromptOwner::Personality);
        let owner = agent.or(project).or(personality).ok_or_else(|| "a prompt belongs to nothing".to_owned())?;
        Ok(Self { content, priority, owner })
    }
}
