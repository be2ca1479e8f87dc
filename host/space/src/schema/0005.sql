-- Format 5: what rules answered about entries, so that they are asked again only where what they are sent is something else.

-- In the order in which it was answered, so that what is large is only appended; kept as the rules' host gives it.
CREATE TABLE answer (id INTEGER PRIMARY KEY, entry_id INTEGER NOT NULL, answers BLOB NOT NULL);
CREATE UNIQUE INDEX answer_entry ON answer (entry_id);

-- The secret by which it is recognised what they were sent.
INSERT INTO meta (key, value) VALUES ('answer-key', randomblob(16));
