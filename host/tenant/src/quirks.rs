//! The habits of SCIM services in the field, each a switch: what a client meets that the standard does not promise it.
use std::time::Duration;

/// How the tenant differs from a service that follows RFC 7644 in everything; by default not at all. For tests only.
///
/// Attributes are named as in a path: `externalId`, `name.givenName`, `emails.value`, `URI:department`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quirks {
    /// PATCH answers 501, and `patch.supported` is false.
    pub no_patch: bool,
    /// Filters answer this status (400, 403 or 501), and `filter.supported` is false.
    pub no_filter: Option<u16>,
    /// Bulk requests answer 501, and `bulk.supported` is false.
    pub no_bulk: bool,
    /// `sortBy` is passed over, and `sort.supported` is false.
    pub no_sort: bool,
    /// There are no entity tags, If-Match is passed over, and `etag.supported` is false.
    pub no_etag: bool,
    /// If-Match and If-None-Match are passed over, although `etag.supported` is true.
    pub ignores_if_match: bool,
    /// The most operations in a bulk request, announced; 1000 by default.
    pub bulk_max_operations: Option<usize>,
    /// The largest bulk request in bytes, announced; 1 MiB by default.
    pub bulk_max_payload: Option<usize>,
    /// There is nothing at /Schemas: 404.
    pub missing_schemas_endpoint: bool,
    /// There is nothing at /ServiceProviderConfig: 404.
    pub missing_service_provider_config: bool,

    /// `op` must be `Add`, `Replace` or `Remove`, in this letter case: 400 otherwise.
    pub patch_only_capitalized_ops: bool,
    /// Members are removed by `"path": "members"` with a value alone; a filter in the path answers 400.
    pub remove_by_value_only: bool,
    /// A removal from `members` with a value passes the value over and empties the group.
    pub remove_by_value_empties: bool,
    /// Every Nth PATCH that has several parts applies the first half of them and answers 500.
    pub half_patch: Option<u64>,

    /// Filters are passed over: everything is found.
    pub filter_ignored: bool,
    /// A filter finds nothing by these attributes, and does not say why.
    pub filter_finds_nothing_on: Vec<String>,

    /// Lists have `resources` instead of `Resources`.
    pub lowercase_resources: bool,
    /// What happens between the first page of a list and the next.
    pub page_drift: Option<PageDrift>,
    /// Every page is the first one.
    pub start_index_ignored: bool,
    /// No page has more resources than this, whatever is announced or asked for.
    pub page_size_cap: Option<usize>,
    /// Pages are asked for by cursor (RFC 9865) alone: `startIndex` is passed over, and only `nextCursor` goes on.
    pub cursor_paging_only: bool,
    /// `totalResults` is wrong.
    pub wrong_total: Option<WrongTotal>,

    /// Truth values are sent as the texts `True` and `False`; they are taken in both forms.
    pub string_booleans: bool,
    /// Truth values are taken as the texts `True` and `False` alone: 400 otherwise.
    pub string_booleans_required: bool,
    /// These are accepted and forgotten.
    pub drops_attributes: Vec<String>,
    /// externalId is accepted and forgotten.
    pub no_external_id: bool,
    /// Texts in these are kept in lower case.
    pub changes_case_of: Vec<String>,
    /// These, once set, cannot be changed: 400 with `mutability`.
    pub immutable: Vec<String>,
    /// These are kept but never sent.
    pub never_returns: Vec<String>,
    /// The members of groups are kept but never sent.
    pub hides_members: bool,

    /// POST of a resource answers 200 instead of 201.
    pub create_answers_200: bool,
    /// POST of a resource answers with a Location alone.
    pub create_without_body: bool,
    /// POST of a resource answers with a body that has no `id`; the Location tells it.
    pub create_without_id: bool,
    /// PATCH answers 204 for users as well; for groups it does by default.
    pub patch_answers_204: bool,
    /// PUT answers 204.
    pub put_answers_204: bool,
    /// DELETE answers 200.
    pub delete_answers_200: bool,
    /// Locations and references are paths below the base URL instead of whole URLs.
    pub relative_locations: bool,
    /// DELETE of a user makes it inactive and leaves it there: to create another of its userName answers 409.
    pub soft_delete: bool,
    /// A conflict (409) has no `scimType`.
    pub conflict_without_scim_type: bool,
    /// Writes over this limit answer 429 with a Retry-After.
    pub write_limit: Option<WriteLimit>,
}

/// What moves a list while it is read by `startIndex`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageDrift {
    /// As if a resource of the first page had been deleted: the next pages skip one resource, and the total is one less.
    Removed,
    /// As if a resource had come before the first: the next pages repeat one resource, and the total is one more.
    Inserted,
}

/// What `totalResults` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongTotal {
    /// How many resources are on the page.
    OfThePage,
    /// One more than there are.
    OneMore,
    /// Always 0.
    Zero,
}

/// How many writes are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteLimit {
    /// This many POST, PUT, PATCH and DELETE of resources,
    pub writes: u64,
    /// in each window of this length, which begins with a write.
    pub window: Duration,
}
