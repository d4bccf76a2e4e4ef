-- What a client that was away has missed is read from the rows themselves, by revision.
--
-- `added` is the revision with which a row came, kept when the row changes for the first time; NULL while it is as it
-- came. `user_added` is the same under the user's counter: for one who accepted an invite, that of the invite.
-- They tell an item that is new to the client from one that changed. A new message writes neither column nor index:
-- new messages are found by their index, which grows with the revision.

ALTER TABLE messages ADD COLUMN added BIGINT;
ALTER TABLE members ADD COLUMN added BIGINT;
ALTER TABLE members ADD COLUMN user_added BIGINT;
ALTER TABLE invites ADD COLUMN user_added BIGINT;

-- Before this, changes did not keep it. The revision of the unchanged message before is close enough: what counts is
-- that it grows with the index, and that nobody was connected yet.
UPDATE messages SET added = COALESCE((
    SELECT p.revision FROM messages p WHERE p.channel = messages.channel AND p."index" < messages."index"
    AND p.was_edited = 0 AND p.deleted = 0 ORDER BY p."index" DESC LIMIT 1), 0) WHERE was_edited = 1 OR deleted = 1;
UPDATE members SET added = 0, user_added = 0;

CREATE INDEX messages_changed ON messages (channel, revision) WHERE added IS NOT NULL;
CREATE INDEX members_changed ON members (channel, revision);
CREATE INDEX members_left ON members ("user", user_revision) WHERE deleted = 1;
CREATE INDEX invites_ended ON invites ("user", user_revision) WHERE deleted = 1;
