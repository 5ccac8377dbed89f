CREATE SCHEMA backfill;

CREATE SCHEMA clinic;

CREATE TABLE backfill.applier (
    run_id text NOT NULL,
    holder text NOT NULL,
    lease_expires_at timestamp with time zone
);

CREATE TABLE backfill.checkpoint (
    run_id text NOT NULL,
    chunk_no bigint NOT NULL,
    key_low text NOT NULL,
    key_high text NOT NULL,
    scanned bigint NOT NULL,
    updated bigint NOT NULL,
    unchanged bigint NOT NULL,
    drifted bigint NOT NULL,
    skipped bigint NOT NULL,
    elapsed_ms bigint NOT NULL,
    chain_hash text NOT NULL,
    committed_at timestamp with time zone NOT NULL,
    range_no bigint DEFAULT 1 NOT NULL,
    CONSTRAINT checkpoint_check CHECK ((scanned = (((updated + unchanged) + drifted) + skipped))),
    CONSTRAINT checkpoint_chunk_no_check CHECK ((chunk_no > 0)),
    CONSTRAINT checkpoint_drifted_check CHECK ((drifted >= 0)),
    CONSTRAINT checkpoint_scanned_check CHECK ((scanned > 0)),
    CONSTRAINT checkpoint_skipped_check CHECK ((skipped >= 0)),
    CONSTRAINT checkpoint_unchanged_check CHECK ((unchanged >= 0)),
    CONSTRAINT checkpoint_updated_check CHECK ((updated >= 0))
);

CREATE TABLE backfill.chunk_image (
    run_id text NOT NULL,
    chunk_no bigint NOT NULL,
    rows bigint NOT NULL,
    sha256 text NOT NULL,
    image bytea NOT NULL
);
ALTER TABLE ONLY backfill.chunk_image ALTER COLUMN image SET STORAGE EXTERNAL;

CREATE TABLE backfill.part (
    run_id text NOT NULL,
    part_no bigint NOT NULL,
    selection jsonb NOT NULL,
    rows bigint NOT NULL,
    positions_sha256 text NOT NULL,
    approved_by text NOT NULL,
    approved_at timestamp with time zone NOT NULL,
    CONSTRAINT part_part_no_check CHECK ((part_no > 0)),
    CONSTRAINT part_rows_check CHECK ((rows >= 0))
);

CREATE TABLE backfill.range (
    run_id text NOT NULL,
    range_no bigint NOT NULL,
    part_no bigint NOT NULL,
    row_low bigint NOT NULL,
    row_high bigint NOT NULL,
    first_chunk_no bigint NOT NULL,
    lease_token bigint DEFAULT 0 NOT NULL,
    lease_expires_at timestamp with time zone,
    lease_holder text,
    ended_at timestamp with time zone,
    CONSTRAINT range_check CHECK ((row_low < row_high)),
    CONSTRAINT range_first_chunk_no_check CHECK ((first_chunk_no > 0)),
    CONSTRAINT range_range_no_check CHECK ((range_no > 0)),
    CONSTRAINT range_row_low_check CHECK ((row_low >= 0))
);

CREATE TABLE backfill.run (
    run_id text NOT NULL,
    job text NOT NULL,
    scope jsonb NOT NULL,
    plan_id text NOT NULL,
    plan_rows bigint NOT NULL,
    status text NOT NULL,
    settings jsonb NOT NULL,
    target jsonb NOT NULL,
    settings_fingerprint text NOT NULL,
    database_fingerprint text NOT NULL,
    tzdata_version text NOT NULL,
    reverts text,
    lease_token bigint DEFAULT 0 NOT NULL,
    lease_expires_at timestamp with time zone,
    lease_holder text,
    cancel_requested boolean DEFAULT false NOT NULL,
    pause_requested boolean DEFAULT false NOT NULL,
    message text DEFAULT ''::text NOT NULL,
    summary jsonb,
    sums_sha256 text,
    created_by text DEFAULT CURRENT_USER NOT NULL,
    planned_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    started_at timestamp with time zone,
    ended_at timestamp with time zone,
    waiting text,
    waiting_since timestamp with time zone,
    paused_ms jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT run_check CHECK (((status <> 'running'::text) OR (lease_expires_at IS NOT NULL))),
    CONSTRAINT run_plan_rows_check CHECK ((plan_rows >= 0)),
    CONSTRAINT run_status_check CHECK ((status = ANY (ARRAY['planned'::text, 'running'::text, 'paused'::text, 'interrupted'::text, 'cancelled'::text, 'failed'::text, 'succeeded'::text, 'reverted'::text])))
);

CREATE TABLE backfill.skip (
    run_id text NOT NULL,
    chunk_no bigint NOT NULL,
    key text NOT NULL,
    scope text NOT NULL,
    column_name text NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL
);

CREATE TABLE clinic.place (
    clinic uuid NOT NULL,
    title character varying(40),
    timezone text
);

CREATE TABLE clinic.visit (
    room character varying(8) NOT NULL,
    visit_no integer NOT NULL,
    clinic uuid,
    tz character varying(40),
    arrives_local timestamp without time zone,
    arrives_utc timestamp with time zone,
    leaves_local text,
    leaves_utc bigint,
    note numeric(9,2)
);

INSERT INTO backfill.applier VALUES ('20261129T175807Z-utc-34c2bd', 'vm:29805', NULL);

INSERT INTO backfill.checkpoint VALUES ('20261129T175807Z-utc-34c2bd', 1, '["A1", "12"]', '["B", "10"]', 5, 2, 0, 0, 3, 0, '8446ba26ffe5af76a46a85a2c3dfbea8a02fa727b89ba6c3eda6b27f1ba97737', '2026-11-29 17:58:08.635708+00', 1);
INSERT INTO backfill.checkpoint VALUES ('20261129T175807Z-utc-34c2bd', 2, '["B", "16"]', '["C''%", "2"]', 5, 2, 0, 0, 3, 0, 'de014ef02348ebc88939faf85cc0e05c782e14e6e194fbac09e729ce29e63e93', '2026-11-29 17:58:08.640249+00', 1);
INSERT INTO backfill.checkpoint VALUES ('20261129T175807Z-utc-34c2bd', 3, '["C''%", "20"]', '["C''%", "8"]', 2, 2, 0, 0, 0, 4, '1de2f3e88bc7edc11ca9a9eddf3dbf5458b876e94b1558d823baff7cd6c50588', '2026-11-29 17:58:08.646416+00', 1);

INSERT INTO backfill.chunk_image VALUES ('20261129T175807Z-utc-34c2bd', 1, 2, '3cdb3d26491edea4cf196b32a8d4459e5e0fa90e729561a4685ed26dc6ecb91e', '\x28b52ffd6020092d1f002636a24310719c35f44142732d1054509c848f409f282c4400fb14230012d4cdec6e3faa39b6f414483bee550a2e941df38e4b444852b201223103c0e3b5766004c39975233205800091008c00d8d7c80b0a005f635f232fa4dd97fa62792a8926ff66f4f20d6154e1c758164c6509fe013a5cfe06f3df5d0e1fa6541b50a207501c5fe4e758307673acfca5982a819d7fc26f65bfc763fe6e0e139fe26786b7466fadfc9aebebc730ab6577f7ad15e65d1c2d8f21f9ad3ff39955e6c732f3bfe36bcd9b3feef89ff31b97dddd228a722a4b34fb50713c9d7cd83a8e661f154a12534a558a66228a02a9884c442b15f1f3c464f92fec6b10453c095109c6d154ea1082263fc89941881d7e0ce7c706d099b3bb327e913c85a85fe3a1b1b579f3f5c66304c5ee8eff23189e462c237777c18748fd5667c2ee7a5e4c398510514ca90462088ee4ffc1d1acc8ee4bcb8b61a93aa124fce4cff26748feccc6e693c3b9c0cc329831cf733596a9ff0419d9dd183ff7cfbfead689b0fc21bb9b3237e2cf745be719fd1ebb5b606feb403ebbbbe27aedeecadce64d1bdbb9b6f8af79cbdcf6fd984e89ef27fd25fe157f8d9fd8cfd04ff2a70a91348562a9a212fabeea813ecff3b66e1c5529ddd6d1eca352bd2f1351524ca168f6e16a5743a00f04e23211fd701a69f6a1340bffbbbbd6c949189a4c65a9525db8b06da24892a75359aa541122fc0c0204aeb55691c8e33a6e3452a0a0eb34cdf36ad5b49292aeabb5eb9e9c01032fc0c25c036ed4983187c283066b40b086429a56bf4fd3aaa691489e17865d6762c271a5524989cb134582060d947e5dc7519a659f0fa51ce7c001a51830fc0b4f96636341e2b1b63a429ed7cfeb9057af46b08b5d0c9ac4240e999c9cc1f5fa81ffd86c3c0180b2a8f140aac80889888491a420690cf00211b1511b1240e01935881435485035128ca42928a53d031b01ce1cfcc1c5ff29950f3693b869aea916697d50b4c60a5b73e6e29c45bd401eefa2120fb13fb07da16d1e5ed943f06c352783704dc660918dc19a0cc2dd40a10220c325c838f56d483ea223907d75e4618f945480a456251c14afbd56cddc2047195d781fb7e920350d7e31777b07df11f2cac7d8b7d7867052617194cf5ff7c96b850efcc5f96b7e24f6b9dae7b7677d3827fc21f375d3c895457d48fe1f37821bcd285ea94162d5c6f4319ebf42da28c924dff3951a6a50b0e128dd956ef482b0937869d60ca882ffae3ecb4de0387ccdda30866ec3b19f9b7ddbe4a3a9ee63ab1d9883f575b53b2738d09a4118581bd3ea3b7a2cf49ba11b65190c40d10ac9529a1834883135f2c3ff1d8cf7c361ed527c6bc21af36f1e69d79807a3c3bd3d979905b1d81665eda10799bf69f807');
INSERT INTO backfill.chunk_image VALUES ('20261129T175807Z-utc-34c2bd', 2, 2, 'ec74c1cd3d9d1440e6541abb2443fa17f263539b1de6cf6a531f360c2f72c59b', '\x28b52ffd604009351f00a675a1430091386be9eaf7b97f5ef51f6620fdbf8b52a146a5f75699fd59795ed6697b047478e909702934531374f2834243eba2256b2799ae2df7761a5f9da1b4510c6b7f22537f008f008d00d9e7e5ea385b3bfbbc4cbbaffa63993a8d293fa7f4028750aaf067300ba8b20c7f001e30bf83f9efee8617592d0dabb14338923ff2773018bb3125fe72649d42917fc28f6dbfe763fe6ecc8957f113c363a5c74afc9bececd734ec6577f7311c997773bc7c86e4c77ecd6b6e687e4d33ff3dcedecc39c01eff779e836377377403d1914ca9780879a691a56cb13aba815ae80a4537125d8554c446a2958af86962bafe4c3b3b5c1955c4950292449d388861ca0fb2661023873fd3f9b53b44eeec6e8c7f54a5c4d5bff1b88c71e69ccdf9f8b87697fc274331456a9b6a77197c08d68f894cd85dcf8f2ca910e30a8aa560144352f507e86c7664f7f5f2a358b652ab935ff5a3f83524ff5683b3769acc9a67ed1f7b77b7fef3a3e9fee9d9197f5643de88eb0fd9dd1477201f7637c2de2cfd1fbb8bf217f24040bb2f986bb6fb9a7117fa668dfae2cfe637ee42e09f112101fea69fc4dfe2a7f133fb09fe247fb2185528712c5b5aaa0814997c252310ec42dff791648bc5ebaaf7811b89aa46d68a6ea0ae82dd8211381a751b897a4891740351ba91e84aaa3c05ffbbbb988a8a28a25065d96aa1a08442e3a852a55265d96a4990f0320a14b8d65a49a46f41ed4a251313cfe3b8efab95e34422cfabd5f39e1d02015826236083868c3b141e38781386b5a484e32a08725ce53893e9fb44d1f35252baee741289609e2b27192898818a3aba81e8037ae1570c18f00308b52d26e48244c3308f902d24c12ebb3cdab5eb90473ce2069f7c3282b70d3cc8fc3bb0cfcfadf381591280bda8214187080d8988822429481a03f00291b1511b1280d0f93ccb288d281892091314961425cb669b81c11f74c0b5df5a0fa20b93b890262ca5b567087ac5b8b4c6a75102d191512b65ab09012576530b632339a9eec03e61cfd5578fa567e4b3227338495de7127098374090c686220c3a8a303684f7e055d4b038df9827db91e8cbd373ec8f59fde569a9a9b22af5f620ccb3454b6fdebec16c025f9f964b9e936d230da1ae5bb056b7780c51db32949bf431da59092f150e55c763b0c77d7cbcf748db2a8f64ca462d94840e939e0d49d754ce222b312763961ac75b0bccfcdbf3308f0cae308fbe9bde546f5d50a2a44f5f0a7f3488eec1b3dc0c2007ce38c36479634ffe0aec254c0e4aaeb1ac72303deeab55424ed36c4d0f19ae0976fa5d960d4e670d50a60d1707ab1f49a1888b8549e3a806fee2c17959084eb4f1d725bc643e9395f624ba4107e75d9eecd4a9782bdf9aad47ebbce2f307');
INSERT INTO backfill.chunk_image VALUES ('20261129T175807Z-utc-34c2bd', 3, 2, 'a7ad34c529bded1ff731e804197bef491e080a6cdc460aa02f8e08377cd882c3', '\x28b52ffd60600925200046f7a64400739c3565140b7239441beb409414a80e94b60434c45a294a81ccb5da8b364c55f85350f86b7a13ebd49948ed3d4d7ab26e954f1c214e27255f208fce126cb5ffb74c018300950092009c4ce76d0d25160360ed6d0d25c6b21bab3f96abd488fa3ba718388553865f9369509565f80b0899f925cc7f773fbce87a79688d21c291fc93df93d9d80db2e22f47572a2cf92ffc19f77f44e6ef0661f1307e72f8ecf4d98a9fa3adfddb96c176773ffba1791708ec35297ff66f7e23b3f9b7cdfc0f599b73e70187fceff90e6c7737940351ca95a8cbaa4c510e444772d522a2fb58c697f2e5f2280782a12d15e54ab41552135c89566ae2678ad9e2d7b6b54397b1456c352049550a8418a2fe9137931841fc1acfbf0da064cfeedef847d64a6cfd9c8f8eb3ce9db53b222831bb4bfe93a1b822378eb5bb10be84ebcf4a2eeceee7c7975589d145e56a308a21c9fa0778387bb21b83fd2896af55cbf4b37e17ff26e50f3fd2e97c26e719c1fcb0d1bc7ddefeb37777eb3f5136de3f3f9be3d76af79dc4fc24bbfb626f64c4ee56f89ba75f6477571675df0868373673d5766339f63ad194a9347e6dee63af037f4d890af067f955fc327e1e3fb59fe04ff2678c91a512c71206c603eb081c911c805e27128948f2f5f275dfe82281f2ea2702b912658dae16e5405e253918a9802a2a1e57a2225664ffbbbb3f812c6b69114595aa2c5faf9595ae1b47166bb52acbd7cb8285c761c0400dd1b3d652ad25957a7af085443534faeab743818200f34920d368263d78e0d88361828439615849a450a88260285443211616914814bf0f85f2bc546a349a79ba98ba1b189e1d28a903ad1fe54034c1020a74c3899f6162f28b841b17a49b91b2cdb36c86903c4d1778d6499e9f9f9f190c1b36681a17386692518ce2089b36bd60ee030180c1a8f144a9c80c8988822429481a03d00291b1e1e61240102a35a7143613d08884090a4a8a92426340d0b14dfe1e8518092eae2f57acc5ca0a4a52370f8d2a83dd628948d1836a22c6b8750673b6328ea275ee46c001b5d677172f1555f53dd27aa355b02a4bdb7e71daaf56a3af2fe7661a98be7e67fdf23cef8b6a8d7336c9c8876117420ff6a6e4a38306f08d52f537b153a9ac9aa2f08c89abc93a534c27c468a4807d054efc1bc9367e6dadc3ba8c677e304cf3cab0295667dae99a5b0ebf9348cf33dfe5b84d9a4364eac2c8929d1a4826dd350b0d8dc8570d75d5a6b94448bc0b55e0d58c38b4e3bb6d9aea9b3604f2a612440125acf4d8aa02ba26d07d7896438f2f36056f18ecb7ade32fc3666dfa281b44cf6a03f376af15a27c9858d24c42807583887e97a4409db3df2af3db3d9d572fa448eef6b8f8e50801ff70c85c3e197fdcde97105e589f694b1b30ba840ef8cdbcacb2ab793b6f62866e327f5de20f');

INSERT INTO backfill.part VALUES ('20261129T175807Z-utc-34c2bd', 1, '{}', 12, 'b91f14ffce370c92dbfc9ac045b3272df2a89e6f21f93ebf79efe2a2725bbaab', 'root@vm', '2026-11-29 17:58:08.58206+00');

INSERT INTO backfill.range VALUES ('20261129T175807Z-utc-34c2bd', 1, 1, 0, 12, 1, 1, '2026-11-29 17:59:08.646325+00', 'vm:29805', '2026-11-29 17:58:08.646325+00');

INSERT INTO backfill.run VALUES ('20261129T175807Z-utc-34c2bd', 'utc', '{"table": "clinic.visit", "members": ["6f1b2c3d-0000-4000-8000-00000000000a"]}', '8034f09f0732b17f32bc940d0482ca26e005af409c05f2b29c286023b3821bda', 12, 'succeeded', '{"gap": "shift_forward", "fold": "earlier", "table": {"key": ["room", "visit_no"], "zone": "tz", "pairs": [["arrives_local", "arrives_utc"], ["leaves_local", "leaves_utc"]], "scope": "clinic", "table": "clinic.visit", "lookup": ["clinic.place", "clinic", "timezone"], "deleted": null}, "strict": false, "encoding": "auto", "decisions": [], "default_tz": null, "household_id": ["6f1b2c3d-0000-4000-8000-00000000000a"], "skip_deleted": false, "fallback_on_invalid_tz": false}', '{"table": {"key": [["room", "character varying"], ["visit_no", "integer"]], "name": "visit", "zone": "tz", "scope": ["clinic", "uuid"], "walls": [["arrives_local", "timestamp"], ["leaves_local", "text"]], "lookup": ["clinic", "place", "clinic", "timezone"], "schema": "clinic", "deleted": null, "targets": [["arrives_utc", "timestamptz"], ["leaves_utc", "bigint"]]}, "encodings": {"leaves_local": "iso_text", "arrives_local": "timestamp"}, "default_tz": null}', '516afdc2761bb78e', 'd7f6a2810103037a', '2026.6', NULL, 1, NULL, 'vm:29805', false, false, '', NULL, 'dee88fed790d6f2bf2db633e486e59b103c03bacf4c37c5090456dd7785b817b', 'postgres', '2026-11-29 17:58:08.520028+00', '2026-11-29 17:58:08.572746+00', '2026-11-29 17:58:08.662405+00', NULL, NULL, '{}');
INSERT INTO backfill.run VALUES ('20261129T175808Z-utc-66cd11', 'utc', '{"table": "clinic.visit", "members": ["6f1b2c3d-0000-4000-8000-00000000000b"]}', '94a9e07defb51efdbe0c78b2b6bc58f9a6a85d02717c0718b64ab426ad4652b2', 12, 'planned', '{"gap": "shift_forward", "fold": "earlier", "table": {"key": ["room", "visit_no"], "zone": "tz", "pairs": [["arrives_local", "arrives_utc"], ["leaves_local", "leaves_utc"]], "scope": "clinic", "table": "clinic.visit", "lookup": ["clinic.place", "clinic", "timezone"], "deleted": null}, "strict": false, "encoding": "auto", "decisions": [], "default_tz": null, "household_id": ["6f1b2c3d-0000-4000-8000-00000000000b"], "skip_deleted": false, "fallback_on_invalid_tz": false}', '{"table": {"key": [["room", "character varying"], ["visit_no", "integer"]], "name": "visit", "zone": "tz", "scope": ["clinic", "uuid"], "walls": [["arrives_local", "timestamp"], ["leaves_local", "text"]], "lookup": ["clinic", "place", "clinic", "timezone"], "schema": "clinic", "deleted": null, "targets": [["arrives_utc", "timestamptz"], ["leaves_utc", "bigint"]]}, "encodings": {"leaves_local": "iso_text", "arrives_local": "timestamp"}, "default_tz": null}', 'b1d52af9226487bd', 'd7f6a2810103037a', '2026.6', NULL, 0, NULL, NULL, false, false, '', NULL, 'df8aaefa076cdbdbda071940efc104b0f97da00254dc859eae7af8638d340ed1', 'postgres', '2026-11-29 17:58:09.168096+00', NULL, NULL, NULL, NULL, '{}');

INSERT INTO backfill.skip VALUES ('20261129T175807Z-utc-34c2bd', 1, '["A1", "18"]', '6f1b2c3d-0000-4000-8000-00000000000a', 'tz', 'invalid_timezone', '''Mars/Olympus'' is not an IANA name');
INSERT INTO backfill.skip VALUES ('20261129T175807Z-utc-34c2bd', 1, '["A1", "6"]', '6f1b2c3d-0000-4000-8000-00000000000a', 'tz', 'invalid_timezone', '''Mars/Olympus'' is not an IANA name');
INSERT INTO backfill.skip VALUES ('20261129T175807Z-utc-34c2bd', 1, '["B", "10"]', '6f1b2c3d-0000-4000-8000-00000000000a', 'tz', 'invalid_timezone', '''Mars/Olympus'' is not an IANA name');
INSERT INTO backfill.skip VALUES ('20261129T175807Z-utc-34c2bd', 2, '["B", "22"]', '6f1b2c3d-0000-4000-8000-00000000000a', 'tz', 'invalid_timezone', '''Mars/Olympus'' is not an IANA name');
INSERT INTO backfill.skip VALUES ('20261129T175807Z-utc-34c2bd', 2, '["C''%", "14"]', '6f1b2c3d-0000-4000-8000-00000000000a', 'tz', 'invalid_timezone', '''Mars/Olympus'' is not an IANA name');
INSERT INTO backfill.skip VALUES ('20261129T175807Z-utc-34c2bd', 2, '["C''%", "2"]', '6f1b2c3d-0000-4000-8000-00000000000a', 'tz', 'invalid_timezone', '''Mars/Olympus'' is not an IANA name');

INSERT INTO clinic.place VALUES ('6f1b2c3d-0000-4000-8000-00000000000a', 'Clinic by the Lake', 'Europe/Zurich');
INSERT INTO clinic.place VALUES ('6f1b2c3d-0000-4000-8000-00000000000b', 'Harbour Clinic', 'Asia/Tokyo');

INSERT INTO clinic.visit VALUES ('B', 1, '6f1b2c3d-0000-4000-8000-00000000000b', 'Europe/London', '2026-03-28 23:30:00.000001', NULL, '2026-03-29T00:00:00', NULL, 0.25);
INSERT INTO clinic.visit VALUES ('C''%', 2, '6f1b2c3d-0000-4000-8000-00000000000a', 'Mars/Olympus', '2026-03-29 00:30:00.000001', NULL, '2026-03-29T01:00:00', NULL, 0.50);
INSERT INTO clinic.visit VALUES ('A1', 3, '6f1b2c3d-0000-4000-8000-00000000000b', 'Asia/Kolkata', '2026-03-29 01:30:00.000001', NULL, '2026-03-29T02:00:00', NULL, 0.75);
INSERT INTO clinic.visit VALUES ('C''%', 5, '6f1b2c3d-0000-4000-8000-00000000000b', 'Europe/London', '2026-03-29 03:30:00.000001', NULL, NULL, NULL, 1.25);
INSERT INTO clinic.visit VALUES ('A1', 6, '6f1b2c3d-0000-4000-8000-00000000000a', 'Mars/Olympus', '2026-03-29 04:30:00.000001', NULL, '2026-03-29T05:00:00', NULL, 1.50);
INSERT INTO clinic.visit VALUES ('B', 7, '6f1b2c3d-0000-4000-8000-00000000000b', 'Asia/Kolkata', '2026-03-29 05:30:00.000001', NULL, '2026-03-29T06:00:00', NULL, 1.75);
INSERT INTO clinic.visit VALUES ('A1', 9, '6f1b2c3d-0000-4000-8000-00000000000b', 'Europe/London', '2026-03-29 07:30:00.000001', NULL, '2026-03-29T08:00:00', NULL, 2.25);
INSERT INTO clinic.visit VALUES ('B', 10, '6f1b2c3d-0000-4000-8000-00000000000a', 'Mars/Olympus', '2026-03-29 08:30:00.000001', NULL, NULL, NULL, 2.50);
INSERT INTO clinic.visit VALUES ('C''%', 11, '6f1b2c3d-0000-4000-8000-00000000000b', 'Asia/Kolkata', '2026-03-29 09:30:00.000001', NULL, '2026-03-29T10:00:00', NULL, 2.75);
INSERT INTO clinic.visit VALUES ('B', 13, '6f1b2c3d-0000-4000-8000-00000000000b', 'Europe/London', '2026-03-29 11:30:00.000001', NULL, '2026-03-29T12:00:00', NULL, 3.25);
INSERT INTO clinic.visit VALUES ('C''%', 14, '6f1b2c3d-0000-4000-8000-00000000000a', 'Mars/Olympus', '2026-03-29 12:30:00.000001', NULL, '2026-03-29T13:00:00', NULL, 3.50);
INSERT INTO clinic.visit VALUES ('A1', 15, '6f1b2c3d-0000-4000-8000-00000000000b', 'Asia/Kolkata', '2026-03-29 13:30:00.000001', NULL, NULL, NULL, 3.75);
INSERT INTO clinic.visit VALUES ('C''%', 17, '6f1b2c3d-0000-4000-8000-00000000000b', 'Europe/London', '2026-03-29 15:30:00.000001', NULL, '2026-03-29T16:00:00', NULL, 4.25);
INSERT INTO clinic.visit VALUES ('A1', 18, '6f1b2c3d-0000-4000-8000-00000000000a', 'Mars/Olympus', '2026-03-29 16:30:00.000001', NULL, '2026-03-29T17:00:00', NULL, 4.50);
INSERT INTO clinic.visit VALUES ('B', 19, '6f1b2c3d-0000-4000-8000-00000000000b', 'Asia/Kolkata', '2026-03-29 17:30:00.000001', NULL, '2026-03-29T18:00:00', NULL, 4.75);
INSERT INTO clinic.visit VALUES ('A1', 21, '6f1b2c3d-0000-4000-8000-00000000000b', 'Europe/London', '2026-03-29 19:30:00.000001', NULL, '2026-03-29T20:00:00', NULL, 5.25);
INSERT INTO clinic.visit VALUES ('B', 22, '6f1b2c3d-0000-4000-8000-00000000000a', 'Mars/Olympus', '2026-03-29 20:30:00.000001', NULL, '2026-03-29T21:00:00', NULL, 5.50);
INSERT INTO clinic.visit VALUES ('C''%', 23, '6f1b2c3d-0000-4000-8000-00000000000b', 'Asia/Kolkata', '2026-03-29 21:30:00.000001', NULL, '2026-03-29T22:00:00', NULL, 5.75);
INSERT INTO clinic.visit VALUES ('A1', 12, '6f1b2c3d-0000-4000-8000-00000000000a', NULL, '2026-03-29 10:30:00.000001', '2026-03-29 08:30:00.000001+00', '2026-03-29T11:00:00', 1774774800000, 3.00);
INSERT INTO clinic.visit VALUES ('A1', 24, '6f1b2c3d-0000-4000-8000-00000000000a', NULL, '2026-03-29 22:30:00.000001', '2026-03-29 20:30:00.000001+00', '2026-03-29T23:00:00', 1774818000000, 6.00);
INSERT INTO clinic.visit VALUES ('B', 16, '6f1b2c3d-0000-4000-8000-00000000000a', NULL, '2026-03-29 14:30:00.000001', '2026-03-29 12:30:00.000001+00', '2026-03-29T15:00:00', 1774789200000, 4.00);
INSERT INTO clinic.visit VALUES ('B', 4, '6f1b2c3d-0000-4000-8000-00000000000a', NULL, '2026-03-29 02:30:00.000001', '2026-03-29 01:30:00.000001+00', '2026-03-29T03:00:00', 1774746000000, 1.00);
INSERT INTO clinic.visit VALUES ('C''%', 20, '6f1b2c3d-0000-4000-8000-00000000000a', NULL, '2026-03-29 18:30:00.000001', '2026-03-29 16:30:00.000001+00', NULL, NULL, 5.00);
INSERT INTO clinic.visit VALUES ('C''%', 8, '6f1b2c3d-0000-4000-8000-00000000000a', NULL, '2026-03-29 06:30:00.000001', '2026-03-29 04:30:00.000001+00', '2026-03-29T07:00:00', 1774760400000, 2.00);

ALTER TABLE ONLY backfill.applier
    ADD CONSTRAINT applier_pkey PRIMARY KEY (run_id, holder);

ALTER TABLE ONLY backfill.checkpoint
    ADD CONSTRAINT checkpoint_pkey PRIMARY KEY (run_id, chunk_no);

ALTER TABLE ONLY backfill.chunk_image
    ADD CONSTRAINT chunk_image_pkey PRIMARY KEY (run_id, chunk_no);

ALTER TABLE ONLY backfill.part
    ADD CONSTRAINT part_pkey PRIMARY KEY (run_id, part_no);

ALTER TABLE ONLY backfill.range
    ADD CONSTRAINT range_pkey PRIMARY KEY (run_id, range_no);

ALTER TABLE ONLY backfill.run
    ADD CONSTRAINT run_pkey PRIMARY KEY (run_id);

ALTER TABLE ONLY backfill.skip
    ADD CONSTRAINT skip_pkey PRIMARY KEY (run_id, key, column_name);

ALTER TABLE ONLY clinic.place
    ADD CONSTRAINT place_pkey PRIMARY KEY (clinic);

ALTER TABLE ONLY clinic.visit
    ADD CONSTRAINT visit_pkey PRIMARY KEY (room, visit_no);

CREATE INDEX run_by_job ON backfill.run USING btree (job, planned_at);

ALTER TABLE ONLY backfill.applier
    ADD CONSTRAINT applier_run_id_fkey FOREIGN KEY (run_id) REFERENCES backfill.run(run_id);

ALTER TABLE ONLY backfill.checkpoint
    ADD CONSTRAINT checkpoint_run_id_fkey FOREIGN KEY (run_id) REFERENCES backfill.run(run_id);

ALTER TABLE ONLY backfill.chunk_image
    ADD CONSTRAINT chunk_image_run_id_chunk_no_fkey FOREIGN KEY (run_id, chunk_no) REFERENCES backfill.checkpoint(run_id, chunk_no) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY backfill.part
    ADD CONSTRAINT part_run_id_fkey FOREIGN KEY (run_id) REFERENCES backfill.run(run_id);

ALTER TABLE ONLY backfill.range
    ADD CONSTRAINT range_run_id_part_no_fkey FOREIGN KEY (run_id, part_no) REFERENCES backfill.part(run_id, part_no);

ALTER TABLE ONLY backfill.run
    ADD CONSTRAINT run_reverts_fkey FOREIGN KEY (reverts) REFERENCES backfill.run(run_id);

ALTER TABLE ONLY backfill.skip
    ADD CONSTRAINT skip_run_id_fkey FOREIGN KEY (run_id) REFERENCES backfill.run(run_id);

ALTER TABLE ONLY clinic.visit
    ADD CONSTRAINT visit_clinic_fkey FOREIGN KEY (clinic) REFERENCES clinic.place(clinic);
