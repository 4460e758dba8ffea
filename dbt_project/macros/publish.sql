{#
    Write, audit, publish. A model of the publish layer is a view in the schema `candidate`: contract, tests and unit
    tests run against it before anything that BI reads has changed. This hook then brings every mart to the new state in
    one transaction on one snapshot, so that a reader sees one build or the next:

    publish.<name>  materialized view; refreshed concurrently, or rebuilt when the candidate's definition has changed
    marts.<name>    security-barrier view on it, showing the businesses granted to current_user

    Config of a publish model, under `meta`: `key` (unique columns), `indexes` (lists of columns that BI filters on),
    `at_read` (columns worked out anew at every read, by expression).
#}
{% macro publish(results=none) %}
    {%- if execute and flags.WHICH in ('build', 'run-operation') -%}
        {%- set publication = plan_publication(results) -%}
        {%- if publication.refusal -%}
            {%- do print('publish: ' ~ publication.refusal) -%}
        {%- elif publication.marts and flags.WHICH == 'run-operation' -%}
            {%- do run_query(publish_sql(publication.marts)) -%}
        {%- elif publication.marts -%}
            {{ publish_sql(publication.marts) }}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}


{# What to publish, or why not: everything or nothing, and nothing unaudited. #}
{% macro plan_publication(results) %}
    {%- set marts = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.fqn[1] == 'publish' -%}
        {%- set meta = node.config.meta -%}
        {%- do marts.append({
            'unique_id': node.unique_id,
            'name': node.name,
            'schema': node.schema,
            'key': meta['key'],
            'indexes': meta.get('indexes', []),
            'at_read': meta.get('at_read', {}),
        }) -%}
    {%- endfor -%}
    {%- if results is none -%}
        {{ return({'marts': marts, 'refusal': none}) }}
    {%- endif -%}
    {%- set built = results | map(attribute='node.unique_id') | list -%}
    {%- set absent = marts | rejectattr('unique_id', 'in', built) | map(attribute='name') | list -%}
    {%- if absent | length == marts | length -%}
        {{ return({'marts': [], 'refusal': none}) }}
    {%- endif -%}
    {%- set failed = [] -%}
    {%- for result in results if result.status in ('error', 'fail', 'runtime error', 'partial success') -%}
        {%- do failed.append(result.node.name) -%}
    {%- endfor -%}
    {%- if failed -%}
        {%- set refusal = 'nothing was published and the last publication stands, because of ' ~ failed | join(', ') -%}
    {%- elif flags.EMPTY -%}
        {%- set refusal = 'nothing was published, because --empty builds no rows' -%}
    {%- elif absent -%}
        {%- set refusal = 'nothing was published, because the selection left out ' ~ absent | join(', ') -%}
    {%- endif -%}
    {{ return({'marts': marts, 'refusal': refusal}) }}
{% endmacro %}


{# The relation of a model; hooks may not use ref(), since dbt works out their references before there is a graph. #}
{% macro relation_of(model_name) -%}
    {{ graph.nodes['model.' ~ project_name ~ '.' ~ model_name].relation_name }}
{%- endmacro %}


{# A table of `ops` in a hook, where source() would be cut to no rows by --empty. #}
{% macro source_of(table_name) -%}
    {{ graph.sources['source.' ~ project_name ~ '.ops.' ~ table_name].relation_name }}
{%- endmacro %}


{# One transaction that publishes these marts. #}
{% macro publish_sql(marts) %}
-- Every mart is computed from the same snapshot.
rollback;
begin transaction isolation level repeatable read;
do $publish$
declare
    mart record;
    columns record;
    candidate_definition text;
    published regclass;
    reading text;
    granted text[];
    statement text;
    actions jsonb := '{}';
begin
    -- Readers are never kept waiting for longer than this, nor do they keep us waiting.
    set local lock_timeout = '30s';
    perform pg_advisory_xact_lock(hashtext('social_analytics publication'));
    create schema if not exists publish;
    create schema if not exists marts;
    create table if not exists publish.publications (
        mart_name text primary key,
        action text not null,
        as_of timestamptz not null,
        published_at timestamptz not null
    );
    comment on table publish.publications is 'When each mart was last published, and whether it was rebuilt or refreshed.';

    if to_regclass('publish.visible_businesses') is null then
        create view publish.visible_businesses as
        select businesses.business_id
        from {{ relation_of('dim_businesses') }} as businesses
        where
            (select roles.rolsuper from pg_catalog.pg_roles as roles where roles.rolname = current_user)
            or exists (
                select 1
                from {{ source_of('tenant_grants') }} as grants
                where
                    grants.role_name = current_user
                    and (grants.business_id is null or grants.business_id = businesses.business_id)
            );
        comment on view publish.visible_businesses is 'The businesses whose rows the asking role may see in marts.';
    end if;

    create temporary table marts_to_publish on commit drop as
    select *
    from jsonb_to_recordset($json${{ marts | tojson }}$json$)
        as listed (name text, "schema" text, key text[], indexes jsonb, at_read jsonb);

    -- First the long work, which leaves every reader alone.
    for mart in select * from marts_to_publish order by name loop
        candidate_definition := pg_get_viewdef(format('%I.%I', mart.schema, mart.name)::regclass);
        published := to_regclass(format('publish.%I', mart.name));
        if candidate_definition = pg_get_viewdef(published) then
            actions := actions || jsonb_build_object(mart.name, 'refreshed');
        else
            actions := actions
                || jsonb_build_object(mart.name, case when published is null then 'created' else 'rebuilt' end);
            execute format('create materialized view publish.%I as %s', mart.name || '__next', candidate_definition);
            published := format('publish.%I', mart.name || '__next')::regclass;
        end if;
        for columns in
            select mart.key as names, true as is_unique
            union all
            select array(select jsonb_array_elements_text(listed)), false
            from jsonb_array_elements(mart.indexes) as listed
        loop
            -- The name holds the definition, so that a mart and the one that follows it can stand side by side.
            execute format(
                'create %s index if not exists %I on %s (%s)',
                case when columns.is_unique then 'unique' else '' end,
                left(mart.name, 40) || '_' || left(md5(concat(candidate_definition, columns.names, columns.is_unique)), 12),
                published,
                (select string_agg(format('%I', name), ', ' order by place)
                    from unnest(columns.names) with ordinality as named (name, place))
            );
        end loop;
        if actions ->> mart.name = 'refreshed' then
            execute format('refresh materialized view concurrently publish.%I', mart.name);
        else
            execute format('analyze publish.%I', mart.name || '__next');
        end if;
    end loop;

    -- Then the swaps, which take an instant.
    for mart in select * from marts_to_publish order by name loop
        select array_agg(
            format(
                'grant %s on marts.%I to %s%s',
                privileges.privilege_type,
                mart.name,
                case when privileges.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(privileges.grantee)) end,
                case when privileges.is_grantable then ' with grant option' else '' end
            )
        )
        into granted
        from pg_catalog.pg_class as views
        cross join lateral aclexplode(views.relacl) as privileges
        where
            views.oid = to_regclass(format('marts.%I', mart.name))
            and privileges.grantee <> views.relowner;

        if actions ->> mart.name <> 'refreshed' then
            execute format('drop view if exists marts.%I', mart.name);
            execute format('drop materialized view if exists publish.%I', mart.name);
            execute format('alter materialized view publish.%I rename to %I', mart.name || '__next', mart.name);
        end if;
        published := format('publish.%I', mart.name)::regclass;
        select string_agg(
            coalesce(
                (mart.at_read ->> attribute.attname) || format(' as %I', attribute.attname),
                format('published.%I', attribute.attname)
            ),
            ', ' order by attribute.attnum
        )
        into reading
        from pg_catalog.pg_attribute as attribute
        where attribute.attrelid = published and attribute.attnum > 0 and not attribute.attisdropped;
        -- The array is worked out once per query, and the comparison can use an index.
        execute format(
            'create view marts.%I with (security_barrier = true) as select %s from publish.%I as published '
            'where published.business_id = any(array(select visible.business_id from publish.visible_businesses as visible))',
            mart.name || '__next', reading, mart.name
        );
        if pg_get_viewdef(format('marts.%I', mart.name || '__next')::regclass)
            is not distinct from pg_get_viewdef(to_regclass(format('marts.%I', mart.name)))
        then
            execute format('drop view marts.%I', mart.name || '__next');
        else
            execute format('drop view if exists marts.%I', mart.name);
            execute format('alter view marts.%I rename to %I', mart.name || '__next', mart.name);
            foreach statement in array coalesce(granted, '{}') loop
                execute statement;
            end loop;
        end if;

        -- Descriptions follow the candidate's.
        for statement in
            select format('comment on view marts.%I is %L', mart.name, described.candidate)
            from (
                select
                    obj_description(format('%I.%I', mart.schema, mart.name)::regclass) as candidate,
                    obj_description(format('marts.%I', mart.name)::regclass) as present
            ) as described
            where described.candidate is distinct from described.present
            union all
            select format('comment on column marts.%I.%I is %L', mart.name, described.attname, described.candidate)
            from (
                select
                    attribute.attname,
                    col_description(format('%I.%I', mart.schema, mart.name)::regclass, attribute.attnum) as candidate,
                    col_description(format('marts.%I', mart.name)::regclass, attribute.attnum) as present
                from pg_catalog.pg_attribute as attribute
                where attribute.attrelid = published and attribute.attnum > 0
            ) as described
            where described.candidate is distinct from described.present
        loop
            execute statement;
        end loop;
    end loop;

    insert into publish.publications (mart_name, action, as_of, published_at)
    select actions_taken.key, actions_taken.value, instants.as_of, clock_timestamp()
    from jsonb_each_text(actions) as actions_taken
    cross join {{ relation_of('as_of') }} as instants
    on conflict (mart_name) do update
    set action = excluded.action, as_of = excluded.as_of, published_at = excluded.published_at;
exception
    when lock_not_available then
        raise exception 'nothing was published: someone held a mart for more than 30 seconds'
            using hint = 'Run `dbt build --select publish` again; the last publication stands.';
    when dependent_objects_still_exist then
        raise exception 'nothing was published: %', sqlerrm
            using hint = 'A view outside this project rests on a mart whose definition changed; drop it first.';
end
$publish$;
commit;
{% endmacro %}


{# On-run-end, after `publish` has succeeded: one line that says what readers see now. #}
{% macro announce_publication(results) %}
    {%- if execute and flags.WHICH == 'build' -%}
        {%- set publication = plan_publication(results) -%}
        {%- if publication.marts and not publication.refusal -%}
            {%- set actions = run_query(
                "select action, count(*), to_char(min(as_of) at time zone 'UTC', 'YYYY-MM-DD HH24:MI')"
                ~ " from publish.publications group by action order by action"
            ) -%}
            {%- set parts = [] -%}
            {%- for action in actions.rows -%}
                {%- do parts.append(action[1] ~ ' ' ~ action[0]) -%}
            {%- endfor -%}
            {%- do print('publish: ' ~ publication.marts | length ~ ' marts as of ' ~ actions.rows[0][2] ~ ' UTC (' ~ parts | join(', ') ~ ')') -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}
