//! Groups within groups whose members are members of the outer ones, and groups that are somebody's primary group.

use super::across::{configuration, forest, members, names, person, settles};
use super::organisation::Class;
use super::{FEW, Manner, PASSWORD, Rights, Story, agent, ldif, tenant};

/// The usual primary group of people: Domain Users.
const DOMAIN_USERS: &str = "513";

impl Story {
    /// A member of a group has it as primary group from now on: the directory does not list who has.
    fn make_primary(&mut self, number: u32, group: u32) {
        let relative = self.ids.sids[&group].rsplit('-').next().unwrap().to_owned();
        self.set(number, "primaryGroupID", Some(&relative));
        assert!(self.organisation.objects.get_mut(&group).unwrap().members.remove(&number));
    }

    /// Somebody has the usual primary group again, and is listed by the one before.
    fn unmake_primary(&mut self, number: u32, group: u32) {
        self.set(number, "primaryGroupID", Some(DOMAIN_USERS));
        self.organisation.objects.get_mut(&group).unwrap().members.insert(number);
    }
}

async fn groups(flat: bool) {
    let source = if flat { "nested-groups = \"flat\"\n" } else { "" };
    let mut story = Story::begin(Manner { size: FEW, source, flat, rights: Rights::Granted }).await;
    story.cycle("at first");
    let groups = story.organisation.of(Class::Group);
    let (top, circle, below, leaf) = (groups[0], groups[2], groups[4], groups[9]);
    let own = story.organisation.object(leaf).members.clone();
    let all = story.organisation.of(Class::User).into_iter();
    let people: Vec<u32> =
        all.filter(|number| story.organisation.in_scope(*number) && !own.contains(number)).skip(40).take(4).collect();

    story.join(leaf, &people);
    story.cycle("members came to a group within others");
    story.make_primary(people[0], leaf);
    story.make_primary(people[1], leaf);
    story.rest("a group is the primary group of two of its members");
    story.set(people[1], "title", Some("Director"));
    story.cycle("one of them changed");
    story.unmake_primary(people[1], leaf);
    story.rest("and is listed again");
    story.leave(circle, &[top]);
    story.cycle("the circle was opened");
    story.join(leaf, &[below]);
    story.join(below, &[leaf]);
    story.cycle("another was closed");
    story.leave(top, &[groups[1]]);
    story.delete(people[2]);
    story.cycle("a group was taken out of the outer one, and a member deleted");
    story.delete(below);
    story.cycle("a group in the middle was deleted");
    story.make_primary(people[3], leaf);
    story.rename(leaf, "another name");
    story.cycle("renamed in between");
    story.delete(people[0]);
    story.cycle("who was a member by the primary group was deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_groups_within_groups_are_members_of_the_outer_ones() {
    groups(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_has_those_whose_primary_group_it_is() {
    groups(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_lists_nobody_has_those_whose_primary_group_it_is() {
    let crew = "dn: CN=crew,UNIT\nobjectClass: group\nsAMAccountName: crew\nmember: CN=ann,UNIT\n\n";
    let samba = forest("LAB.TEST", "LAB", &(person("ann", "") + crew));
    let tenant = tenant().await;
    let agent = agent(&configuration(&samba, &tenant, ""));
    agent.secret("password", PASSWORD);
    settles(&agent, "lab", &[], 2);
    // The directory takes her out of the list by itself.
    let found = samba.search(&samba.base_dn(), "(sAMAccountName=crew)", &["objectSid"]).unwrap();
    let sid = ldif::sid(&ldif::read(&found)[0]["objectSid"]);
    let (_, number) = sid.rsplit_once('-').unwrap();
    let dn = format!("CN=ann,OU=staff,{}", samba.base_dn());
    samba.apply(&format!("dn: {dn}\nchangetype: modify\nreplace: primaryGroupID\nprimaryGroupID: {number}\n")).unwrap();
    settles(&agent, "lab", &[], 0);
    assert_eq!(members(&tenant, "crew"), names(&["ann"]));
    agent.json(&["sync", "lab", "--initial"]);
    assert_eq!(members(&tenant, "crew"), names(&["ann"]));
}
