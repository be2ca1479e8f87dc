//! Whatever may happen in a domain, in any order: the same for the same seed.

use super::organisation::{Class, MACHINES, NORTH, OUTSIDE, PARTNERS, SOUTH, STAFF, TEAMS};
use super::{Manner, Story};

/// Numbers that look random (the generator is Knuth's MMIX).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn pick(&mut self, from: &[u32]) -> u32 {
        from[self.below(from.len())]
    }
}

impl Story {
    /// One thing happens. The place makes names that nobody has.
    fn anything_happens(&mut self, random: &mut Random, place: usize) {
        let of = |class| self.organisation.of(class);
        let (people, groups, computers) = (of(Class::User), of(Class::Group), of(Class::Computer));
        let all = [&people[..], &groups, &computers, &of(Class::Contact)].concat();
        let (person, group, any) = (random.pick(&people), random.pick(&groups), random.pick(&all));
        match random.below(13) {
            0 => self.set(person, "title", Some(&format!("Title {place}"))),
            1 => self.set(person, "title", None),
            2 => self.rename(any, &format!("Name {place}")),
            3 | 4 => self.move_to(any, random.pick(&[STAFF, NORTH, SOUTH, TEAMS, PARTNERS, MACHINES, OUTSIDE])),
            5 => drop(self.delete(any)),
            6 => drop(self.replace(any)),
            7 => {
                let new = self.organisation.hire_into(random.pick(&[STAFF, NORTH, SOUTH, OUTSIDE]));
                self.create(new);
                self.join(group, &[new]);
            }
            8 if any != group => self.join(group, &[any, person]),
            9 => {
                let own: Vec<u32> = self.organisation.object(group).members.iter().copied().collect();
                if !own.is_empty() {
                    self.leave(group, &[random.pick(&own)]);
                }
            }
            10 => {
                let computer = random.pick(&computers);
                let account = random.pick(&[person, computer]);
                self.disable(account, !self.organisation.object(account).disabled);
            }
            11 => self.report_to(person, Some(random.pick(&people)).filter(|manager| *manager != person)),
            _ if random.below(3) == 0 => self.move_to(random.pick(&[NORTH, SOUTH]), random.pick(&[STAFF, OUTSIDE])),
            _ => self.rename(random.pick(&[NORTH, SOUTH]), &format!("unit {place}")),
        }
    }
}

/// Rounds of many things that happen, each followed by a cycle.
pub async fn rounds(manner: Manner, seed: u64, rounds: usize, each: usize) {
    let mut story = Story::begin(manner).await;
    story.cycle("at first");
    let mut random = Random(seed);
    for round in 0..rounds {
        for place in 0..each {
            story.anything_happens(&mut random, round * each + place);
        }
        story.make_changes();
        story.agent.json(&["sync", "lab"]);
        story.settle(&format!("round {round} of seed {seed}"));
    }
}
