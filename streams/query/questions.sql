-- The questions of docs/queries.md for DuckDB: the name and the title of each, then its SQL.

-- days: What happened on these days?
SELECT eventDay, severity, count(*) AS findings
FROM falco
WHERE eventDay BETWEEN '20261123' AND '20261124'
GROUP BY eventDay, severity, severity_id
ORDER BY eventDay, severity_id DESC

-- rules: Which rules fire most, and where?
SELECT resource.namespace, finding_info.title AS rule, count(*) AS findings
FROM falco
CROSS JOIN UNNEST(resources) AS t(resource)
WHERE eventDay BETWEEN '20261123' AND '20261124' AND resource.type = 'Pod'
GROUP BY resource.namespace, finding_info.title
ORDER BY findings DESC, resource.namespace, rule
LIMIT 20

-- worst: The worst first, with pod, user and command
SELECT make_timestamp(time // 1000 * 1000000) AS at, finding_info.title AS rule,
    resource.name AS pod, actor.user.name AS user_name, actor.process.cmd_line AS command
FROM falco
CROSS JOIN UNNEST(resources) AS t(resource)
WHERE eventDay BETWEEN '20261123' AND '20261124' AND severity_id >= 4 AND resource.type = 'Pod'
ORDER BY severity_id DESC, time, metadata.uid
LIMIT 50

-- techniques: Which ATT&CK techniques were seen?
SELECT attack.tactic.name AS tactic, attack.technique.uid AS technique,
    attack.technique.name AS name, count(DISTINCT metadata.uid) AS findings
FROM falco
CROSS JOIN UNNEST(finding_info.attacks) AS t(attack)
WHERE eventDay BETWEEN '20261123' AND '20261124'
GROUP BY attack.tactic.name, attack.technique.uid, attack.technique.name
ORDER BY findings DESC, tactic, technique

-- addresses: Where does an address, a user or a file show up?
SELECT observable.value, count(DISTINCT finding_info.title) AS rules, count(*) AS findings
FROM falco
CROSS JOIN UNNEST(observables) AS t(observable)
WHERE eventDay BETWEEN '20261123' AND '20261124' AND observable.type_id = 2
GROUP BY observable.value
ORDER BY rules DESC, findings DESC, observable.value
LIMIT 10

-- processes: Which process started which?
SELECT evidence.process.parent_process.name AS parent, evidence.process.name AS process,
    evidence.process.file.path AS program, count(*) AS findings
FROM falco
CROSS JOIN UNNEST(evidences) AS t(evidence)
WHERE eventDay BETWEEN '20261123' AND '20261124'
    AND evidence.process.parent_process.name IS NOT NULL
GROUP BY evidence.process.parent_process.name, evidence.process.name, evidence.process.file.path
ORDER BY findings DESC, parent, process, program
LIMIT 20

-- calls: Who called which API, from where?
SELECT metadata.log_name AS source, evidence.api.service.name AS service,
    evidence.api.operation AS operation, evidence.actor.user.name AS user_name,
    evidence.src_endpoint.ip AS address, count(*) AS findings
FROM falco
CROSS JOIN UNNEST(evidences) AS t(evidence)
WHERE eventDay BETWEEN '20261123' AND '20261124' AND metadata.log_name <> 'syscall'
    AND evidence.api.operation IS NOT NULL
GROUP BY metadata.log_name, evidence.api.service.name, evidence.api.operation,
    evidence.actor.user.name, evidence.src_endpoint.ip
ORDER BY findings DESC, source, service, operation, user_name, address
LIMIT 20

-- audits: Kubernetes audit: records that Security Lake's own EKS source also has
SELECT evidence.api.request.uid AS audit_id, evidence.api.operation AS verb, resource.type AS kind,
    resource.name, resource.namespace, evidence.api.response.code AS code
FROM falco
CROSS JOIN UNNEST(evidences) AS e(evidence)
CROSS JOIN UNNEST(resources) AS r(resource)
WHERE eventDay BETWEEN '20261123' AND '20261124' AND metadata.log_name = 'k8s_audit'
    AND resource.type <> 'cluster'
ORDER BY time, audit_id, kind, resource.name
LIMIT 20

-- arguments: An argument of a call: JSON in `data`
SELECT evidence.api.operation AS operation,
    json_extract_string(evidence.data, '$."evt.arg.flags"') AS flags, count(*) AS findings
FROM falco
CROSS JOIN UNNEST(evidences) AS t(evidence)
WHERE eventDay BETWEEN '20261123' AND '20261124'
    AND json_extract_string(evidence.data, '$."evt.arg.flags"') IS NOT NULL
GROUP BY evidence.api.operation, json_extract_string(evidence.data, '$."evt.arg.flags"')
ORDER BY findings DESC, operation, flags

-- unmapped: A field that OCSF has no place for
SELECT finding_info.title AS rule, unmapped['user.loginname'] AS login,
    count(*) AS findings
FROM falco
WHERE eventDay BETWEEN '20261123' AND '20261124'
    AND unmapped['user.loginname'] IS NOT NULL
GROUP BY finding_info.title, unmapped['user.loginname']
ORDER BY findings DESC, rule, login

-- alerts: Back to the alert as Falco wrote it
SELECT json_extract_string(raw_data, '$.output') AS output, raw_data
FROM falco
WHERE eventDay BETWEEN '20261123' AND '20261124'
    AND finding_info.title = 'Terminal shell in container'
ORDER BY time, metadata.uid
LIMIT 5

-- delay: How long until an alert was in Kafka?
SELECT metadata.log_name AS source, min(metadata.logged_time - time) AS least,
    max(metadata.logged_time - time) AS most
FROM falco
WHERE eventDay BETWEEN '20261123' AND '20261124'
GROUP BY metadata.log_name
ORDER BY source

-- once: Each finding once, without repeats
WITH numbered AS (
    SELECT *, row_number() OVER (
        PARTITION BY metadata.uid, raw_data ORDER BY metadata.logged_time
    ) AS number_of_copy
    FROM falco
    WHERE eventDay BETWEEN '20261123' AND '20261124'
)
SELECT eventDay, finding_info.title AS rule, count(*) AS findings
FROM numbered
WHERE number_of_copy = 1
GROUP BY eventDay, finding_info.title
ORDER BY findings DESC, eventDay, rule
