//! Searches: the base, the filter, the limits, the pages.

use super::answer::{Outcome, SEARCH_DONE, control, entry, reference};
use super::ber::{INTEGER, OCTETS, SEQUENCE, part, parts, whole};
use super::dn;
use super::guid::Guid;
use super::read::{NameForm, View};
use super::replica::{Object, Replica};
use super::request::{
    DIRSYNC, DOMAIN_SCOPE, EXTENDED_DN, PAGED, Request, SHOW_DELETED, SHOW_RECYCLED, SUPPORTED, Scope, Search,
};
use super::state::State;

/// Which connection asks, and whether somebody has bound on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    pub connection: u64,
    pub bound: bool,
}

/// How far a paged search has come.
struct PagePlace {
    size: usize,
    /// The row of the last entry of the page before.
    after: u64,
}

/// How names are to be written.
pub(super) fn name_form(request: &Request) -> NameForm {
    match request.control(EXTENDED_DN) {
        None => NameForm::Plain,
        Some(control) if control.wants_text() => NameForm::Text,
        Some(_) => NameForm::Hex,
    }
}

impl State {
    /// Answers a search, to its end.
    pub(super) fn search(&self, request: &Request, search: &Search, asker: Asker) -> Vec<Vec<u8>> {
        self.answer(request, search, asker)
            .unwrap_or_else(|outcome| vec![outcome.message(request.id, SEARCH_DONE, &[])])
    }

    fn answer(&self, request: &Request, search: &Search, asker: Asker) -> Result<Vec<Vec<u8>>, Outcome> {
        let obeyed = |oid: &str| SUPPORTED.contains(&oid) && !self.behaviour.withheld.iter().any(|other| other == oid);
        if request.controls.iter().any(|control| control.critical && !obeyed(&control.oid)) {
            return Err(Outcome::unknown_control());
        }
        if search.base.is_empty() && search.scope == Scope::Base {
            let root = entry(request.id, "", &self.root(&search.attributes));
            return Ok(vec![root, Outcome::success().message(request.id, SEARCH_DONE, &[])]);
        }
        if !asker.bound {
            return Err(Outcome::not_bound());
        }
        if self.behaviour.busy {
            return Err(Outcome::busy());
        }
        if request.control(DIRSYNC).is_some_and(|control| obeyed(&control.oid)) {
            return self.dirsync(request, search);
        }
        let base = self.base(request, search)?;
        if search.scope == Scope::Base {
            return self.one(request, search, base);
        }
        self.many(request, search, base, asker)
    }

    /// The object that the search begins at.
    fn base(&self, request: &Request, search: &Search) -> Result<Guid, Outcome> {
        let base = &search.base;
        let found = self.replica.find(base).filter(|guid| self.is_shown(request, *guid));
        if let Some(found) = found {
            return Ok(found);
        }
        if base.starts_with('<') {
            return Err(Outcome::no_object(""));
        }
        let parts = dn::normalised(base).ok_or_else(Outcome::bad_name)?;
        if self.replica.root_above(&parts).is_none() {
            let domain: Vec<&str> = parts.iter().filter_map(|part| part.strip_prefix("dc=")).collect();
            let domain = domain.join(".");
            return Err(if domain.is_empty() { Outcome::no_object("") } else { Outcome::referral(&domain, base) });
        }
        Err(Outcome::no_object(&self.replica.closest(base)))
    }

    fn is_shown(&self, request: &Request, guid: Guid) -> bool {
        let deleted = request.control(SHOW_DELETED).is_some();
        let recycled = request.control(SHOW_RECYCLED).is_some();
        self.replica.objects.get(&guid).is_some_and(|object| {
            let is_recycled = object.text("isRecycled") == Some("TRUE");
            !object.hidden && (!object.is_deleted() || recycled || (deleted && !is_recycled))
        })
    }

    fn view(&self, request: &Request) -> View {
        let behaviour = &self.behaviour;
        View { names: name_form(request), max_values: behaviour.max_values, behind: behaviour.behind_the_end }
    }

    fn entry(&self, request: &Request, search: &Search, object: &Object) -> Result<Vec<u8>, Outcome> {
        let view = self.view(request);
        let given = self.replica.given(object, &search.attributes, view).map_err(|_| Outcome::no_such_range())?;
        Ok(entry(request.id, &self.replica.name_of(object.guid, view.names), &given))
    }

    fn one(&self, request: &Request, search: &Search, base: Guid) -> Result<Vec<Vec<u8>>, Outcome> {
        let object = self.replica.objects.get(&base);
        let met = object.filter(|object| search.filter.is_met(&self.replica, object) == Some(true));
        let entry = met.map(|object| self.entry(request, search, object)).transpose()?;
        let done = Outcome::success().message(request.id, SEARCH_DONE, &[]);
        Ok(entry.into_iter().chain([done]).collect())
    }

    fn many(&self, request: &Request, search: &Search, base: Guid, asker: Asker) -> Result<Vec<Vec<u8>>, Outcome> {
        let place = self.place(request, asker)?;
        let most = self.behaviour.max_page_size;
        let page = place.as_ref().map_or(most, |place| place.size.min(most));
        let limit = if search.size_limit > 0 { search.size_limit.min(page) } else { page };
        let mut messages = Vec::new();
        let mut last = place.as_ref().map_or(0, |place| place.after);
        let mut outcome = Outcome::success();
        let mut more = false;
        for (row, guid) in self.replica.order.range(last + 1..) {
            let Some(object) = self.replica.objects.get(guid) else { continue };
            if messages.len() == limit && limit == page && place.is_some() {
                // Whether anything that is left will be found is not known yet, so the last page may be empty.
                more = true;
                break;
            }
            if !self.is_found(request, search, object, base) {
                continue;
            }
            if messages.len() == limit {
                outcome = Outcome::size_limit();
                break;
            }
            messages.push(self.entry(request, search, object)?);
            last = *row;
        }
        let refers = self.behaviour.references && request.control(DOMAIN_SCOPE).is_none();
        if refers && !more && outcome.code == 0 {
            messages.extend(self.replica.references(base, search.scope).iter().map(|url| reference(request.id, url)));
        }
        let cookie = if more { [asker.connection.to_be_bytes(), last.to_be_bytes()].concat() } else { Vec::new() };
        let controls: Vec<Vec<u8>> = place.iter().map(|_| paged(&cookie)).collect();
        messages.push(outcome.message(request.id, SEARCH_DONE, &controls));
        Ok(messages)
    }

    fn is_found(&self, request: &Request, search: &Search, object: &Object, base: Guid) -> bool {
        let in_scope = match search.scope {
            Scope::OneLevel => object.parent == Some(base),
            _ => self.replica.is_at_or_below(object.guid, base),
        };
        in_scope && self.is_shown(request, object.guid) && search.filter.is_met(&self.replica, object) == Some(true)
    }

    /// Where a paged search goes on. A cookie is good on the connection that it was given on.
    fn place(&self, request: &Request, asker: Asker) -> Result<Option<PagePlace>, Outcome> {
        let Some(control) = request.control(PAGED) else { return Ok(None) };
        let (size, cookie) = control.paged().map_err(|_| Outcome::bad_control(2))?;
        if cookie.is_empty() {
            return Ok(Some(PagePlace { size, after: 0 }));
        }
        let after = cookie.strip_prefix(&asker.connection.to_be_bytes()).and_then(|row| row.try_into().ok());
        let after = after.map(u64::from_be_bytes).ok_or_else(|| Outcome::bad_control(12))?;
        Ok(Some(PagePlace { size, after }))
    }
}

/// The control that comes with a page; without a cookie with the last.
fn paged(cookie: &[u8]) -> Vec<u8> {
    control(PAGED, &parts(SEQUENCE, &[whole(INTEGER, 0), part(OCTETS, cookie)]))
}

impl Replica {
    /// The name of the nearest object above a name that is not there.
    fn closest(&self, base: &str) -> String {
        let mut rest = base;
        while let Some((_, above)) = rest.split_once(',') {
            if let Some(found) = self.find(above) {
                return self.dn(found);
            }
            rest = above;
        }
        String::new()
    }

    /// The contexts below a root, as addresses.
    fn references(&self, base: Guid, scope: Scope) -> Vec<String> {
        let end = if scope == Scope::OneLevel { "??base" } else { "" };
        let (domain, dns) = (self.dn(self.places.domain), &self.names.dns);
        if base == self.places.domain {
            let zone = |name: &str| format!("ldap://{name}.{dns}/DC={name},{domain}{end}");
            let configuration = self.dn(self.places.configuration);
            vec![zone("ForestDnsZones"), zone("DomainDnsZones"), format!("ldap://{dns}/{configuration}{end}")]
        } else if base == self.places.configuration {
            vec![format!("ldap://{dns}/{}{end}", self.dn(self.places.schema))]
        } else {
            Vec::new()
        }
    }
}
