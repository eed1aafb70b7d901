//! Making a segment: one definition, and the same config in every environment.

use engine::json::{At, Violation};
use engine::model::{Keys, Snapshot};
use serde_json::{Map, Value, json};

use super::change::faults_within;
use super::history::{config_for_log, definition_for_log};
use super::input::{Reading, apply};
use super::{References, Segment, SegmentConfig, SegmentHere};
use crate::access::{CreateSegment, InEnvironment, Writer};
use crate::control::{Attempts, Control, Request};
use crate::environment::Environment;
use crate::error::Result;
use crate::input::read_key;
use crate::key::Key;
use crate::log::{Chain, Change, Entity, ReadVersion, Write};
use crate::time::Timestamp;

impl Control {
    /// Makes a segment. What the document says holds in every environment: as nothing names it yet, nobody's
    /// answers change.
    pub async fn create_segment(
        &self,
        writer: &InEnvironment<CreateSegment>,
        document: &Value,
        request: &Request,
    ) -> Result<SegmentHere> {
        let mut attempts = Attempts::default();
        loop {
            let dependencies = self.store.dependencies_version(writer.project_id()).await?;
            let now = self.clock.now();
            let mut reading = Reading::default();
            let here = self.read_new_segment(writer, document, now, &mut reading);
            let Some(here) = here else { return Err(reading.into_error()) };
            let environments = self.all_environments(writer.project_id()).await?;
            let meaning = self.faults_of_new(&here, writer.environment(), &environments).await?;
            reading.finish(meaning)?;
            let mut change = creation(&here, writer, &environments, request, now);
            change.reads = vec![ReadVersion::Dependencies { version: dependencies }];
            if let Some(revision) =
                self.try_create(change, &mut attempts, "a segment", &here.segment.key).await?
            {
                return Ok(here.at_revision(revision));
            }
        }
    }

    /// What a document says of a new segment, as far as it reads: under a faulty key the rest is read all the same,
    /// so that its faults are told at once.
    fn read_new_segment(
        &self,
        writer: &Writer,
        document: &Value,
        now: Timestamp,
        reading: &mut Reading,
    ) -> Option<SegmentHere> {
        let object = At::root(document).object(&mut reading.violations)?;
        let key = read_key(&object, &mut reading.violations).or_else(|| Key::parse("unnamed"))?;
        let mut here = self.new_segment(writer.environment(), key, now);
        apply(&mut here, &object, reading);
        if here.segment.name.is_empty() {
            here.segment.name = here.segment.key.to_string();
        }
        Some(here)
    }

    fn new_segment(&self, environment: &Environment, key: Key, now: Timestamp) -> SegmentHere {
        let segment = Segment {
            id: self.ids.id(now),
            project_id: environment.project_id,
            name: String::new(),
            description: String::new(),
            key,
            version: 0,
            created_at: now,
            updated_at: now,
        };
        let config = SegmentConfig {
            segment_id: segment.id,
            environment_id: environment.id,
            when: None,
            included: Keys::default(),
            excluded: Keys::default(),
            version: 0,
            updated_at: now,
        };
        SegmentHere { segment, config }
    }

    /// What is wrong with a new segment: first in the addressed environment, else in the others.
    async fn faults_of_new(
        &self,
        here: &SegmentHere,
        addressed: &Environment,
        environments: &[Environment],
    ) -> Result<Vec<Violation>> {
        if References::of(here.config.when.as_ref()).is_empty() {
            // It names nothing and nothing names it: it can only be wrong by itself, and so everywhere.
            return faults_within(Snapshot::empty("", 0, "", addressed.key.as_str()), here).await;
        }
        let mut faults = self.faults_of(here, addressed).await?;
        for environment in environments.iter().filter(|environment| environment.id != addressed.id) {
            if !faults.is_empty() {
                break;
            }
            faults = self.faults_of(here, environment).await?;
            for fault in &mut faults {
                fault.message = format!("in the environment {}: {}", environment.key, fault.message);
            }
        }
        Ok(faults)
    }
}

fn creation(
    here: &SegmentHere,
    writer: &Writer,
    environments: &[Environment],
    request: &Request,
    now: Timestamp,
) -> Change {
    let addressed = writer.environment();
    let mut logged = Map::new();
    let mut writes = vec![Write::CreateSegment(here.segment.clone())];
    for environment in environments {
        let config = SegmentConfig { environment_id: environment.id, ..here.config.clone() };
        logged.insert(environment.key.to_string(), config_for_log(&config));
        writes.push(Write::CreateSegmentConfig(config));
    }
    writes.push(Write::TouchDependencies);
    let after = json!({ "segment": definition_for_log(&here.segment), "configs": logged });
    Change {
        chain: Chain::Project(addressed.project_id),
        at: now,
        actor: writer.caller().account_id(),
        source: request.source.clone(),
        action: "create_segment",
        entities: vec![Entity::segment(&here.segment), Entity::environment(addressed)],
        before: None,
        after: Some(after.to_string()),
        comment: request.comment.clone(),
        standing: request.standing.clone(),
        reads: Vec::new(),
        writes,
    }
}
