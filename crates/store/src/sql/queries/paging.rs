//! Lists that are read a page at a time.

use domain::ports::{KeyedFilter, Page};
use sqlx::QueryBuilder;

use super::rows::{read_all, revision};
use super::{Db, POSITION, Row, SqlStore};

/// A list in the order of a column that no two of its rows share.
pub(super) struct Listing<'a, T> {
    /// What is selected of each row.
    pub(super) columns: &'a str,
    /// Pushes which rows, however many of them are shown: ` FROM … WHERE …`.
    pub(super) from: &'a (dyn Fn(&mut QueryBuilder<Db>) + Sync),
    /// The column of the order.
    pub(super) by: &'a str,
    /// Only rows after this one.
    pub(super) after: Option<String>,
    /// How many at most.
    pub(super) limit: u32,
    pub(super) read: fn(&Row) -> sqlx::Result<T>,
}

impl<T: Send + 'static> Listing<'_, T> {
    /// The page, and how many there are in all, of one state.
    pub(super) async fn page(self, store: &SqlStore) -> sqlx::Result<Page<T>> {
        let mut listed = QueryBuilder::<Db>::new(format!("SELECT {}", self.columns));
        (self.from)(&mut listed);
        if let Some(after) = self.after {
            listed.push(format_args!(" AND {} > ", self.by)).push_bind(after);
        }
        listed.push(format_args!(" ORDER BY {} LIMIT ", self.by)).push_bind(i64::from(self.limit) + 1);
        let mut counted = QueryBuilder::<Db>::new("SELECT count(*) AS total");
        (self.from)(&mut counted);

        let mut transaction = store.reading().await?;
        let rows = listed.build().fetch_all(&mut *transaction).await?;
        let total =
            counted.build().try_map(|row: Row| revision(&row, "total")).fetch_one(&mut *transaction).await?;
        transaction.commit().await?;
        let mut items = read_all(rows, self.read).await?;
        let more = cut(&mut items, self.limit);
        Ok(Page { items, total: Some(total), more })
    }
}

/// The page of a list in which nothing can be.
pub(super) fn empty<T>() -> Page<T> {
    Page { items: Vec::new(), total: Some(0), more: false }
}

/// Cuts off what is more than was asked for; whether there was more.
pub(super) fn cut<T>(items: &mut Vec<T>, limit: u32) -> bool {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    more
}

/// Whether what is searched for can be in the database at all.
pub(super) fn storable_filter(filter: &KeyedFilter) -> bool {
    let given = [&filter.search, &filter.prefix];
    given.into_iter().flatten().all(|text| crate::fit::storable(text))
}

/// The conditions of a filter: its prefix on the column of keys, its search on all that are given.
pub(super) fn push_keyed(
    query: &mut QueryBuilder<Db>,
    filter: &KeyedFilter,
    key: &'static str,
    searched: &[&'static str],
) {
    // Neither by LIKE: it gives `%` and `_` a meaning, and on SQLite a bound to the pattern's length.
    if let Some(prefix) = filter.prefix.as_ref().filter(|prefix| !prefix.is_empty()) {
        query.push(format_args!(" AND {POSITION}({key}, ")).push_bind(prefix.clone()).push(") = 1");
    }
    if let Some(search) = filter.search.as_ref().filter(|search| !search.is_empty()) {
        let part = search.to_ascii_lowercase();
        for (index, column) in searched.iter().enumerate() {
            query.push(if index == 0 { " AND (" } else { " OR " });
            query.push(format_args!("{POSITION}(lower({column}), ")).push_bind(part.clone()).push(") > 0");
        }
        query.push(")");
    }
}
