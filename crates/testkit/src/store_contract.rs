//! What every store must do, whatever it keeps things in. Each property starts from a fresh store with one
//! project and three environments.

mod accounts;
mod audit;
mod commits;
mod consistency;
mod dependencies;
mod environments;
mod idempotency;
mod identities;
mod listing;
mod log;
mod people;
mod projects;
mod sdk_keys;
mod segments;
mod sessions;
mod snapshots;
mod usage;
mod world;

use std::pin::Pin;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use domain::ports::Store;

use world::World;

type Property = fn(World) -> Pin<Box<dyn Future<Output = Result<()>> + Send>>;

macro_rules! properties {
    ($($module:ident: $($name:ident),+;)+) => {
        [$($((stringify!($name), (|world| Box::pin($module::$name(world))) as Property),)+)+]
    };
}

/// Checks all properties, each on a store that `make` makes: empty, and shared with nobody.
pub async fn all(make: impl AsyncFn() -> Result<Arc<dyn Store>>) -> Result<()> {
    let properties = properties! {
        commits: revisions_have_no_gaps_under_concurrency, of_those_who_read_the_same_one_wins,
            one_of_many_creates_of_a_key_wins, stale_reads_are_refused, what_is_taken_is_refused,
            what_is_gone_is_refused, what_names_nothing_is_refused, a_change_keeps_to_its_chain,
            two_changes_are_made_both_or_neither,
            texts_that_not_every_store_can_keep_are_refused;
        snapshots: a_snapshot_says_what_was_written, documents_come_back_whole, a_deleted_flag_is_null,
            versions_never_repeat, environments_move_only_when_affected, an_unknown_environment_is_none,
            a_new_environment_starts_at_its_revision;
        consistency: a_delta_applied_is_the_snapshot, readers_see_whole_changes;
        dependencies: dependencies_move_only_when_touched, dependencies_that_moved_refuse;
        segments: segments_come_back_whole, a_segments_change_reaches_its_environment_alone,
            a_context_field_is_a_list_everywhere, segments_and_fields_come_in_pages_by_key,
            stale_segments_and_fields_are_refused, segments_and_fields_are_themselves,
            a_key_list_comes_back_byte_for_byte, a_list_that_is_not_there_cannot_be_named,
            only_lists_that_nothing_names_are_swept, an_environment_is_filled_with_segments;
        environments: an_environment_changes_and_says_when, an_environment_begins_with_configs,
            an_environment_goes_with_all_that_is_in_it;
        listing: flags_come_in_pages_by_key, search_takes_every_character_as_it_is, tags_filter,
            what_people_note_filters, flags_are_found_by_their_names, a_flag_comes_with_its_configs;
        log: the_log_is_a_chain, the_log_comes_in_pages, the_log_is_found_by_entity,
            the_log_of_an_environment_has_what_affected_it,
            the_last_entity_of_a_key_is_known, texts_come_back_byte_for_byte, a_project_has_its_own_chain;
        projects: projects_come_in_pages_by_key, a_project_goes_with_all_but_its_log,
            stale_projects_are_refused;
        people: teams_say_who_is_in_them, roles_are_themselves, grants_reach_who_has_them,
            grants_go_with_what_they_name, a_teams_flags_are_counted_and_keep_it,
            a_team_does_not_go_while_it_is_made_an_owner, a_role_does_not_go_while_it_is_granted,
            an_account_goes_while_it_is_given_something, of_many_who_fill_the_last_place_one_does;
        sdk_keys: keys_come_back_whole, keys_are_in_force_until_revoked_or_expired,
            keys_in_force_are_counted_and_found_by_project, keys_come_in_pages,
            keys_are_filtered, a_key_changes_and_says_when, a_key_of_several_environments_outlives_one,
            the_last_use_of_a_key_only_moves_on;
        accounts: accounts_are_found, credentials_are_found, a_history_has_a_name;
        idempotency: a_request_is_noted_once, an_answer_is_kept, answers_are_bounded_in_bytes, requests_are_forgotten, of_many_at_once_one_is_noted,
            an_account_has_so_many_requests;
        identities: an_identity_is_one_accounts, identities_go_with_their_account, identities_are_listed_and_unlinked;
        sessions: accounts_change_and_go, accounts_come_in_pages_by_email, an_account_that_moved_on_refuses,
            a_session_is_proved_by_its_key, a_refresh_token_is_good_once, sessions_end,
            a_session_of_who_changed_is_not_opened, tokens_expire_and_go, what_was_given_stays_known, signing_keys_retire_and_are_revoked,
            a_link_is_good_once, all_sessions_end_at_once, tokens_of_one_account_go_at_once, a_setup_token_is_good_once;
        audit: the_log_is_found_by_who_and_what_and_when, the_log_comes_oldest_first, texts_are_taken_out,
            old_entries_go_and_leave_a_checkpoint, the_log_of_a_deleted_project_only_loses,
            the_security_log_is_a_chain, the_security_log_is_found_and_comes_in_pages,
            old_security_events_go_and_leave_a_checkpoint;
        usage: a_batch_is_taken_once, of_many_who_send_a_batch_at_once_one_is_taken, counts_add_up_and_stay_at_the_greatest,
            counts_are_told_by_step, an_exposure_is_kept_once, exposures_are_counted_up_to_a_bound, a_batch_of_nowhere_is_not_taken,
            minutes_become_hours, old_events_go_piece_by_piece, what_is_too_much_is_found, events_go_with_their_environment;
    };
    let mut broken = Vec::new();
    for (name, property) in properties {
        let store = make().await.with_context(|| format!("{name}: no store to try it on"))?;
        let world = World::found(store).await.with_context(|| format!("{name}: no world to try it in"))?;
        if let Err(error) = property(world).await {
            broken.push(format!("{name}: {error:#}"));
        }
    }
    ensure!(broken.is_empty(), "{} broken:\n{}", broken.len(), broken.join("\n"));
    Ok(())
}
