-- Push notifications. An event writes one notice in its own transaction; the notice is spread over the devices
-- afterwards, a push for each. What is taken, notice or push, is not free again before its `due`.

CREATE TABLE notices (
    sid TEXT NOT NULL PRIMARY KEY,
    account BIGINT NOT NULL,
    service BIGINT NOT NULL,
    service_sid TEXT NOT NULL,
    kind TEXT NOT NULL,
    channel BIGINT NOT NULL,
    channel_sid TEXT NOT NULL,
    revision BIGINT NOT NULL, -- of the channel, by the event
    "user" BIGINT, -- whom alone it is for; null for all members
    author TEXT NOT NULL,
    message_sid TEXT,
    message_index BIGINT,
    body TEXT NOT NULL,
    channel_title TEXT NOT NULL,
    text TEXT NOT NULL,
    sound TEXT NOT NULL,
    is_enabled BIGINT NOT NULL,
    is_badged BIGINT NOT NULL,
    is_logged BIGINT NOT NULL,
    "after" TEXT, -- the SID of the member up to whom it is spread; null once it is spread over all
    due BIGINT NOT NULL, -- when it is to be looked at next: to be spread, or to be removed
    date_created BIGINT NOT NULL
);
CREATE INDEX notices_to_spread ON notices (service, due) WHERE "after" IS NOT NULL;
CREATE INDEX notices_spread ON notices (due) WHERE "after" IS NULL;

CREATE TABLE pushes (
    sid TEXT NOT NULL PRIMARY KEY,
    notice TEXT NOT NULL,
    identity TEXT NOT NULL,
    binding_sid TEXT,
    binding_type TEXT,
    credential_sid TEXT,
    conversations BIGINT NOT NULL,
    badge BIGINT,
    state TEXT NOT NULL, -- waiting, retrying, delivered, refused, dead or left_out
    reason TEXT,
    status BIGINT, -- what the push service last answered
    answer TEXT,
    attempts BIGINT NOT NULL,
    due BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    date_created BIGINT NOT NULL,
    date_updated BIGINT NOT NULL
);
CREATE INDEX pushes_due ON pushes (credential_sid, due) WHERE state IN ('waiting', 'retrying');
CREATE INDEX pushes_of_notice ON pushes (notice);
CREATE INDEX pushes_ended ON pushes (date_updated) WHERE state NOT IN ('waiting', 'retrying');

-- The number that the device was last given for the app's icon, and whose names its app uses.
ALTER TABLE bindings ADD COLUMN badge BIGINT;
ALTER TABLE bindings ADD COLUMN conversations BIGINT NOT NULL DEFAULT 0;

-- Why the push service takes nothing with this credential, since it last said so, and when it is asked again.
ALTER TABLE credentials ADD COLUMN push_error TEXT;
ALTER TABLE credentials ADD COLUMN push_due BIGINT NOT NULL DEFAULT 0;
