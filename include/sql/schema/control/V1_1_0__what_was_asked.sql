-- A yes counts for what was shown, and for nothing else: what each question was about is kept, and an answer is to one of them.

CREATE TABLE control.question (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    migration  text NOT NULL,
    action     text NOT NULL,
    run        text NOT NULL,
    about      text NOT NULL,
    at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX question_of ON control.question (migration, id);
COMMENT ON TABLE control.question IS 'What a person was asked, and about which manifest: whoever acts on an answer holds it against what is there by then.';

ALTER TABLE control.approval ADD COLUMN question bigint REFERENCES control.question;
CREATE INDEX approval_to ON control.approval (question);
