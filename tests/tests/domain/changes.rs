//! What happens to objects of the domain: each is kept in the model, and made in the directory with the next cycle.

use super::organisation::{Class, Object};
use super::{Records, Story};

impl Story {
    fn change(&mut self, number: u32) -> (&mut Object, &mut Records) {
        (self.organisation.objects.get_mut(&number).unwrap(), &mut self.changes)
    }

    /// An attribute gets a value, or none.
    pub fn set(&mut self, number: u32, name: &'static str, value: Option<&str>) {
        let dn = self.organisation.dn(number);
        let (object, changes) = self.change(number);
        match value {
            Some(value) => {
                object.values.insert(name, value.to_owned());
                changes.replace(&dn, name, &[value.to_owned()]);
            }
            None if object.values.remove(name).is_some() => changes.remove(&dn, name, &[]),
            None => {}
        }
    }

    /// An account is disabled, or enabled.
    pub fn disable(&mut self, number: u32, disabled: bool) {
        let dn = self.organisation.dn(number);
        let (object, changes) = self.change(number);
        object.disabled = disabled;
        changes.replace(&dn, "userAccountControl", &[object.flags().unwrap()]);
    }

    /// Somebody reports to another, or to nobody.
    pub fn report_to(&mut self, number: u32, manager: Option<u32>) {
        let dn = self.organisation.dn(number);
        let names: Vec<String> = manager.iter().map(|manager| self.organisation.dn(*manager)).collect();
        let (object, changes) = self.change(number);
        object.manager = manager;
        changes.replace(&dn, "manager", &names);
    }

    /// Another name in the same place. Nobody is told who refers to it.
    pub fn rename(&mut self, number: u32, name: &str) {
        let dn = self.organisation.dn(number);
        let (object, changes) = self.change(number);
        object.name = name.to_owned();
        changes.rename(&dn, &object.rdn(), None);
    }

    /// Another place under the same name. Nobody is told who is below it.
    pub fn move_to(&mut self, number: u32, unit: u32) {
        let (dn, above) = (self.organisation.dn(number), self.organisation.dn(unit));
        let (object, changes) = self.change(number);
        object.unit = Some(unit);
        changes.rename(&dn, &object.rdn(), Some(&above));
    }

    /// Members come, those that were none.
    pub fn join(&mut self, group: u32, members: &[u32]) {
        let own = &self.organisation.object(group).members;
        let members: Vec<u32> = members.iter().copied().filter(|member| !own.contains(member)).collect();
        if members.is_empty() {
            return;
        }
        let names: Vec<String> = members.iter().map(|member| self.organisation.dn(*member)).collect();
        let dn = self.organisation.dn(group);
        let (object, changes) = self.change(group);
        object.members.extend(&members);
        changes.add(&dn, "member", &names);
    }

    /// Members go.
    pub fn leave(&mut self, group: u32, members: &[u32]) {
        let names: Vec<String> = members.iter().map(|member| self.organisation.dn(*member)).collect();
        let dn = self.organisation.dn(group);
        let (object, changes) = self.change(group);
        object.members.retain(|member| !members.contains(member));
        changes.remove(&dn, "member", &names);
    }

    /// An object that is in the model comes into the directory.
    pub fn create(&mut self, number: u32) {
        self.organisation.write(number, &mut self.changes);
    }

    /// It is gone, and with it all links to it.
    pub fn delete(&mut self, number: u32) -> Object {
        self.changes.delete(&self.organisation.dn(number));
        let gone = self.organisation.objects.remove(&number).unwrap();
        for object in self.organisation.objects.values_mut() {
            object.members.remove(&number);
            object.manager = object.manager.filter(|manager| *manager != number);
        }
        gone
    }

    /// It is gone, and another has its names.
    pub fn replace(&mut self, number: u32) -> u32 {
        let gone = self.delete(number);
        let again = self.organisation.again(&gone);
        self.create(again);
        again
    }

    /// A deleted account is brought back. Its tombstone kept the account name and little else; then it gets a surname.
    pub fn undelete(&mut self, number: u32, gone: &Object) {
        self.make_changes();
        let account = gone.value("sAMAccountName").unwrap().to_owned();
        let object = Object {
            values: [("sAMAccountName", account.clone())].into(),
            members: Default::default(),
            manager: None,
            disabled: true,
            ..gone.clone()
        };
        self.organisation.objects.insert(number, object);
        self.samba.undelete(&account, &self.organisation.dn(number)).unwrap();
        if gone.class == Class::User {
            self.set(number, "sn", Some("Returned"));
            self.disable(number, false);
        }
    }
}
