-- Format 6: memberships that members tell, and what is made of memberships.

-- Of an attribute that members have: which attribute of groups it is the other side of, as primaryGroupID is of member.
ALTER TABLE reference_by ADD COLUMN reverse_of TEXT;

-- Whether it is the member that has the attribute, and not the group.
ALTER TABLE scope_attribute ADD COLUMN reversed INTEGER NOT NULL DEFAULT 0;

-- The attributes that tell who is a member of whom, where something is made of memberships.
CREATE TABLE member_attribute (attribute TEXT PRIMARY KEY, reversed INTEGER NOT NULL) WITHOUT ROWID;

-- Who refers to an entry by which attribute: a group that its members tell has many who do, and few groups that list it.
DROP INDEX reference_target;
CREATE INDEX reference_target ON reference (target, attribute) WHERE target IS NOT NULL;
