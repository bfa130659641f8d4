//! Agents.

use super::{
    At, Page, RowFilter, StoreError, StoredAgent, Tables,
    database::Cells,
    rows::{Select, Stored, json_text},
    statement::{Table, Value},
};
use mcpctl_events::definition::{AgentDefinition, Pin};

/// Which agents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentFilter {
    /// What all rows have.
    pub rows: RowFilter,
    /// Pinned to the Llm or pool of this name, or to the Llm of this id.
    pub llm: Option<String>,
    /// Pinned to the pool of this name.
    pub pool: Option<String>,
    /// In the project of this name.
    pub project: Option<String>,
}

impl Tables {
    /// Agents by name.
    pub async fn agents(&self, filter: &AgentFilter) -> Result<Page<StoredAgent>, StoreError> {
        let mut select = Select::from::<AgentDefinition>();
        select.filter(&filter.rows);
        if let Some(llm) = &filter.llm {
            select.and("(t.llm_name = ").arg(llm.as_str()).sql(" OR t.llm_id = ").arg(llm.as_str()).sql(")");
        }
        if let Some(pool) = &filter.pool {
            select.and("(t.llm_id IS NULL AND t.llm_name = ").arg(pool.as_str()).sql(")");
        }
        if let Some(project) = &filter.project {
            select.and("t.project = ").arg(project.as_str());
        }
        self.page(select, filter.rows.limit).await
    }

    /// The agent of this name, or else of this id.
    pub async fn agent(&self, name_or_id: &str) -> Result<At<Option<StoredAgent>>, StoreError> {
        self.one(name_or_id).await
    }
}

impl Stored for AgentDefinition {
    #[rustfmt::skip]
    const TABLE: Table = Table {
        name: "agent_rows",
        columns: &[
            "name", "id", "kind", "status", "awake_status", "disabled", "session_id", "owner_id", "version",
            "last_heartbeat_at", "inactive_since", "created_at", "updated_at",
            "description", "system_prompt", "llm_id", "llm_name", "project", "default_personality",
            "proxy_model_name", "default_params", "extras", "labels",
        ],
    };

    fn bind(&self) -> Vec<Value> {
        vec![
            Value::Text(self.description.clone()),
            Value::Text(self.system_prompt.clone()),
            Value::text_or_null(self.llm.id),
            self.llm.name.as_str().into(),
            Value::text_or_null(self.project.as_ref()),
            Value::text_or_null(self.default_personality.as_ref()),
            Value::Text(self.proxy_model_name.clone()),
            Value::Text(self.default_params.as_ref().map(|json| json.get().to_owned())),
            Value::Text(self.extras.as_ref().map(|json| json.get().to_owned())),
            json_text(&self.labels).into(),
        ]
    }

    fn read(cells: &mut Cells) -> Result<Self, String> {
        Ok(Self {
            description: cells.text_or_null()?.map(str::to_owned),
            system_prompt: cells.text_or_null()?.map(str::to_owned),
            llm: Pin { id: cells.parse_or_null()?, name: cells.word()? },
            project: cells.word_or_null()?,
            default_personality: cells.word_or_null()?,
            proxy_model_name: cells.text_or_null()?.map(str::to_owned),
            default_params: cells.json_or_null()?,
            extras: cells.json_or_null()?,
            labels: cells.json()?,
        })
    }
}
