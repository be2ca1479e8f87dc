//! What happens in a domain over the time, round by round: each is followed by a cycle that writes what changed alone.

use std::collections::BTreeSet;

use serde_json::json;

use super::organisation::{Class, MACHINES, NORTH, OUTSIDE, Object, PARTNERS, SOUTH, STAFF, TEAMS};
use super::{FUTURE, PAST, Story};

impl Story {
    /// How many times as many as in the short form.
    fn scale(&self) -> usize {
        (self.organisation.of(Class::User).len() / 250).max(1)
    }

    /// So many of a class, beginning with one place among all, and not one after the other; more of a large domain.
    fn some(&self, class: Class, first: usize, count: usize) -> Vec<u32> {
        let (all, scale) = (self.organisation.of(class).into_iter(), self.scale());
        all.skip(first * scale).step_by(3).take(count * scale).collect()
    }

    /// The same of people in scope who are nobody's manager.
    fn some_people(&self, first: usize, count: usize) -> Vec<u32> {
        let managers: BTreeSet<u32> = self.organisation.objects.values().filter_map(|own| own.manager).collect();
        let fit = |number: &u32| self.organisation.in_scope(*number) && !managers.contains(number);
        let (all, scale) = (self.organisation.of(Class::User).into_iter().filter(fit), self.scale());
        all.skip(first * scale).step_by(3).take(count * scale).collect()
    }

    /// Attributes of every class change, come and go.
    pub fn attributes_change(&mut self) {
        for number in self.some_people(0, 8) {
            self.set(number, "title", Some("Chirurgin für Kinder"));
            self.set(number, "department", None);
            self.set(number, "mail", Some(&format!("changed.{number}@lab.test")));
        }
        for number in self.some_people(40, 4) {
            self.set(number, "proxyAddresses", Some(&format!("SMTP:first.{number}@lab.test")));
            self.set(number, "displayName", None);
            self.set(number, "userPrincipalName", None);
        }
        let (boss, other) = (self.some(Class::User, 3, 1)[0], self.some(Class::User, 6, 1)[0]);
        for number in self.some_people(70, 3) {
            self.report_to(number, Some(boss));
        }
        self.report_to(other, None);
        // One contact can be written to from now on, another cannot any more.
        let contacts = self.organisation.of(Class::Contact);
        self.set(contacts[9], "mail", Some("late@partner.example"));
        self.set(contacts[1], "mail", None);
        self.set(contacts[2], "title", Some("Buyer"));
        self.report_to(contacts[3], Some(boss));
        for number in self.some(Class::Computer, 0, 3) {
            self.set(number, "operatingSystem", Some("Windows 12 Enterprise"));
        }
        for number in self.some(Class::Group, 1, 3) {
            self.set(number, "displayName", Some(&format!("Équipe {number}")));
        }
        self.cycle("attributes of every class changed");
    }

    /// Objects are renamed, and one has the user name that another had.
    pub fn objects_are_renamed(&mut self) {
        for number in self.some_people(10, 8) {
            self.rename(number, &format!("Married, Änne {number}"));
            self.set(number, "sn", Some("Married"));
        }
        for number in self.some(Class::Group, 4, 3) {
            self.rename(number, &format!("Renamed {number}"));
        }
        let contact = self.some(Class::Contact, 4, 1)[0];
        self.rename(contact, "Other partner");
        let both = self.some_people(30, 2);
        let (first, second) = (both[0], both[1]);
        self.set(first, "userPrincipalName", Some("handed.over@lab.test"));
        self.cycle("objects were renamed");
        self.set(first, "userPrincipalName", Some("anew@lab.test"));
        self.set(second, "userPrincipalName", Some("handed.over@lab.test"));
        self.cycle("a user name was handed on");
    }

    /// Units are renamed: the names of all below are others, and the directory tells of the units alone.
    pub fn units_are_renamed(&mut self) {
        let people = self.organisation.in_unit(NORTH).len();
        self.rename(NORTH, "far north");
        let report = self.cycle("a unit was renamed");
        assert_eq!(report["operations"], json!({ "update": people }), "its people have other names: {report}");
        self.rename(STAFF, "employees");
        self.rename(TEAMS, "circles");
        self.cycle("units of the scope were renamed");
    }

    /// Objects, and a unit with all in it, leave the scope and come back.
    pub fn the_scope_is_left_and_entered(&mut self) {
        let leavers = self.some_people(20, 6);
        for number in &leavers {
            self.move_to(*number, OUTSIDE);
        }
        for number in self.organisation.in_unit(OUTSIDE).into_iter().filter(|number| !leavers.contains(number)).take(4)
        {
            self.move_to(number, NORTH);
        }
        let (group, contact, computer) =
            (self.some(Class::Group, 5, 1)[0], self.some(Class::Contact, 5, 1)[0], self.some(Class::Computer, 5, 1)[0]);
        for number in [group, contact, computer] {
            self.move_to(number, OUTSIDE);
        }
        self.cycle("objects were moved out of scope, and into it");
        self.move_to(SOUTH, OUTSIDE);
        self.cycle("a unit with all in it was moved out of scope");
        for (number, unit) in [(group, TEAMS), (contact, PARTNERS), (computer, MACHINES), (SOUTH, STAFF)] {
            self.move_to(number, unit);
        }
        self.rename(SOUTH, "deep south");
        for number in leavers {
            self.move_to(number, SOUTH);
        }
        self.cycle("they are back, under another name");
    }

    /// Objects of every class are deleted; some are brought back, others come again under the same name.
    pub fn objects_are_deleted_and_come_again(&mut self) {
        let boss = self.some(Class::User, 3, 1)[0];
        // The harness brings back who has a plain name.
        let plain = |own: &Self, number: &u32| own.organisation.object(*number).name.starts_with("Ann");
        let some: Vec<u32> = self.some_people(0, 60).into_iter().filter(|number| plain(self, number)).take(7).collect();
        let (between, some) = (some[6], some[..6].to_vec());
        let (back, again) = (some[0], some[1]);
        let gone: Vec<Object> = some.into_iter().chain([boss]).map(|number| self.delete(number)).collect();
        let groups = self.some(Class::Group, 2, 2);
        for number in [groups[0], self.some(Class::Contact, 0, 1)[0], self.some(Class::Computer, 1, 1)[0]] {
            self.delete(number);
        }
        self.cycle("objects of every class were deleted");
        self.undelete(back, &gone[0]);
        let new = self.organisation.again(&gone[1]);
        self.create(new);
        self.cycle("one was brought back, and another came again under the name");
        assert!(self.ids.guids[&new] != self.ids.guids[&again]);
        // The same between two cycles.
        for number in self.some_people(60, 3) {
            self.replace(number);
        }
        let group = self.replace(groups[1]);
        self.join(group, &self.some_people(0, 5));
        let gone = self.delete(between);
        self.undelete(between, &gone);
        self.cycle("some were deleted and came again between two cycles");
    }

    /// A unit comes with people in it, and goes with all of them.
    pub fn a_unit_comes_and_goes(&mut self) {
        let unit = self.organisation.open(STAFF);
        let people: Vec<u32> = (0..3).map(|_| self.organisation.hire_into(unit)).collect();
        for number in [&[unit][..], &people].concat() {
            self.create(number);
        }
        self.make_changes();
        let group = self.organisation.of(Class::Group)[6];
        self.join(group, &people);
        self.cycle("a unit came with people in it");
        for number in [&people[..], &[unit]].concat() {
            self.delete(number);
        }
        self.cycle("a unit was deleted with all in it");
    }

    /// Members of every class come to groups and go.
    pub fn members_change(&mut self) {
        let groups = self.organisation.of(Class::Group);
        let (big, few, nested) = (groups[0], groups[7], groups[8]);
        let gone: Vec<u32> = self.organisation.object(big).members.iter().copied().step_by(20).collect();
        self.leave(big, &gone);
        let people = self.some_people(0, 40);
        let new: Vec<u32> =
            people.iter().copied().filter(|one| !self.organisation.object(big).members.contains(one)).collect();
        self.join(big, &new[..new.len().min(9)]);
        let all: Vec<u32> = self.organisation.object(few).members.iter().copied().collect();
        self.leave(few, &all);
        self.join(nested, &[few, self.some(Class::Contact, 6, 1)[0], self.some(Class::Computer, 6, 1)[0]]);
        self.cycle("members of every class came and went");
        self.join(few, &[nested]);
        self.leave(big, &[groups[1]]);
        self.cycle("a circle was closed, and a group taken out of another");
        self.leave(few, &[nested]);
        self.join(few, &new[..1]);
        self.leave(few, &new[..1]);
        self.cycle("what came and went between two cycles is nothing");
    }

    /// Passwords, which are nobody's business, and the state of accounts, which is.
    pub fn accounts_change(&mut self) {
        for number in self.some_people(0, 3) {
            let dn = self.organisation.dn(number);
            self.samba.set_password(&dn, "An0ther.Passw0rd").unwrap();
        }
        self.rest("passwords were changed");
        for (place, number) in self.some_people(25, 9).into_iter().enumerate() {
            match place % 3 {
                0 => {
                    let disabled = self.organisation.object(number).disabled;
                    self.disable(number, !disabled);
                }
                1 => self.set(number, "accountExpires", Some(PAST)),
                _ => self.set(number, "accountExpires", Some(FUTURE)),
            }
        }
        let computer = self.some(Class::Computer, 2, 1)[0];
        self.disable(computer, true);
        self.cycle("accounts were disabled, enabled, and got an end");
        for number in self.organisation.of(Class::User) {
            if self.organisation.object(number).value("accountExpires") == Some(PAST) {
                self.set(number, "accountExpires", Some("0"));
            }
        }
        self.cycle("the end was taken away");
    }
}
