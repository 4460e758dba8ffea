{#
    The transaction of a publication, as one PL/pgSQL block (macros/publish.sql says when and why). Whatever fails in it
    is undone as a whole, and the attempt's row keeps the reason.
#}
{% macro publication_block(marts) %}
declare
    asked bigint[] := {{ asked_businesses() }};
    patience interval := make_interval(secs => {{ var('publish_patience_seconds') | float }});
    attempt bigint;
    mart record;
    columns record;
    candidate_definition text;
    published regclass;
    reading text;
    granted text[];
    statement text;
    has_rows boolean;
    began_waiting timestamptz;
    going_on text[] := '{}';
    actions jsonb := '{}';
    refusal text;
begin
    select max(publication_id)
    into attempt
    from {{ source_of('publications') }}
    where invocation_id = {{ sql_text(invocation_id) }};
    begin
        set local lock_timeout = '30s';
        {{ publication_objects(marts) }}
        if asked is null then
            {{ publish_whole() }}
            {{ publish_views() }}
            {{ refuse_open_marts() }}
            {{ measure_marts() }}
        else
            {{ publish_apart() }}
        end if;
        update {{ source_of('publications') }}
        set
            outcome = 'published',
            ended_at = clock_timestamp(),
            statistics_known_at = (
                select computed.known_at
                from {{ source_of('statistics_runs') }} as computed
                order by computed.computed_at desc
                limit 1
            ),
            (as_of, known_at, changes_meanwhile) = (
                select
                    instants.as_of,
                    instants.known_at,
                    (
                        select count(*)
                        from {{ source_of('former_values') }} as former
                        where
                            former.known_until > instants.known_at
                            and former.known_until <= (
                                select max(nodes.finished_at)
                                from {{ source_of('core_builds') }} as builds
                                inner join {{ source_of('dbt_results') }} as nodes using (invocation_id)
                                where builds.known_at = instants.known_at
                            )
                    )
                from {{ relation_of('as_of') }} as instants
            )
        where publication_id = attempt;
    exception
        when lock_not_available then
            refusal := format(
                'nothing was published: somebody held a mart for more than %s seconds',
                extract(epoch from greatest(patience, interval '30 seconds'))::integer
            );
        when dependent_objects_still_exist then
            refusal := 'nothing was published: ' || sqlerrm
                || ' (a view outside this project rests on a mart whose definition changed; drop it first)';
        when unique_violation or cardinality_violation then
            refusal := 'nothing was published: a mart has two rows of one key: ' || sqlerrm;
        when query_canceled then
            refusal := 'nothing was published: it took longer than allowed (publish_minutes), or was cancelled';
        when others then
            refusal := 'nothing was published: ' || sqlerrm;
    end;
    if refusal is not null then
        update {{ source_of('publications') }}
        set outcome = 'refused', reason = refusal, ended_at = clock_timestamp()
        where publication_id = attempt;
    end if;
end
{% endmacro %}


{# What every publication needs, made by the first one. #}
{% macro publication_objects(marts) %}
    create schema if not exists publish;
    {%- for schema in marts | map(attribute='read_schema') | unique | sort %}
    create schema if not exists {{ schema }};
    if to_regrole('bi_reader') is not null then
        grant usage on schema {{ schema }} to bi_reader;
    end if;
    {%- endfor %}
    create table if not exists publish.publications (
        mart_name text primary key,
        action text not null,
        as_of timestamptz not null,
        published_at timestamptz not null
    );
    comment on table publish.publications is 'When each mart was last published, and whether it was rebuilt or refreshed.';
    {{ objects_of_changes() }}
    create table if not exists publish.apart (business_id bigint primary key, published_at timestamptz not null);
    comment on table publish.apart is 'Businesses that were published apart from the others since the last whole publication.';

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
        as listed (
            name text, "schema" text, key text[], indexes jsonb, at_read jsonb,
            unread text[], read_schema text, read_name text,
            part text, part_key text[], part_columns text[]
        );
{% endmacro %}


{# The long work, which leaves every reader alone: of each mart what changed is written, or it is refreshed concurrently,
   or made anew beside the old one. #}
{% macro publish_whole() %}
    {{ find_changes() }}
    for mart in select * from marts_to_publish order by name loop
        if mart.part = any(going_on) then
            {{ publish_changes() }}
            actions := actions || jsonb_build_object(mart.name, 'changed');
            continue;
        end if;
        candidate_definition := pg_get_viewdef(format('%I.%I', mart.schema, mart.name)::regclass);
        published := to_regclass(format('publish.%I', mart.name));
        if
            candidate_definition = pg_get_viewdef(published)
            and to_regclass(format('publish.%I', mart.name || '__apart')) is not null
        then
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
            execute format('delete from publish.%I', mart.name || '__apart');
        else
            execute format('analyze publish.%I', mart.name || '__next');
        end if;
        -- A policy on a table below can make a refresh see nothing, which is no error to PostgreSQL.
        execute format('select exists(select from %s)', published) into has_rows;
        if not has_rows then
            execute format('select exists(select from %I.%I)', mart.schema, mart.name) into has_rows;
            if has_rows then
                raise exception 'the mart % came out empty and its candidate is not: does a policy hide core from its owner?',
                    mart.name;
            end if;
        end if;
    end loop;
    delete from publish.apart;
{% endmacro %}


{#
    The swaps, which take an instant. Only what changed is locked against readers, for a tenth of a second at most while
    somebody else holds it; then they go on reading, and it is tried again.
#}
{% macro publish_views() %}
    began_waiting := clock_timestamp();
    loop
        begin
            set local lock_timeout = '100ms';
            {{ swap_marts() }}
            exit;
        exception
            when lock_not_available then
                if clock_timestamp() > began_waiting + patience then
                    raise;
                end if;
        end;
        perform pg_sleep(0.4);
    end loop;
    set local lock_timeout = '30s';

    insert into publish.publications (mart_name, action, as_of, published_at)
    select actions_taken.key, actions_taken.value, instants.as_of, clock_timestamp()
    from jsonb_each_text(actions) as actions_taken
    cross join {{ relation_of('as_of') }} as instants
    on conflict (mart_name) do update
    set action = excluded.action, as_of = excluded.as_of, published_at = excluded.published_at;
{% endmacro %}


{% macro swap_marts() %}
    for mart in select * from marts_to_publish order by name loop
        select array_agg(
            format(
                'grant %s on %I.%I to %s%s',
                privileges.privilege_type,
                mart.read_schema,
                mart.read_name,
                case when privileges.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(privileges.grantee)) end,
                case when privileges.is_grantable then ' with grant option' else '' end
            )
        )
        into granted
        from pg_catalog.pg_class as views
        cross join lateral aclexplode(views.relacl) as privileges
        where
            views.oid = to_regclass(format('%I.%I', mart.read_schema, mart.read_name))
            and privileges.grantee <> views.relowner;

        if actions ->> mart.name in ('created', 'rebuilt') then
            execute format('drop view if exists %I.%I', mart.read_schema, mart.read_name);
            execute format('drop materialized view if exists publish.%I', mart.name);
            execute format('drop table if exists publish.%I', mart.name || '__apart');
            execute format('alter materialized view publish.%I rename to %I', mart.name || '__next', mart.name);
            execute format('create table publish.%I (like publish.%I)', mart.name || '__apart', mart.name);
            execute format(
                'create unique index on publish.%I (%s)',
                mart.name || '__apart',
                (select string_agg(format('%I', name), ', ' order by place)
                    from unnest(mart.key) with ordinality as named (name, place))
            );
            execute format('create index on publish.%I (business_id)', mart.name || '__apart');
        end if;
        if mart.part is not null then
            execute format(
                'create index if not exists %I on publish.%I (%s)',
                mart.name || '__apart_part', mart.name || '__apart',
                (select string_agg(format('%I', name), ', ') from unnest(mart.part_columns) as names (name))
            );
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
        where
            attribute.attrelid = published
            and attribute.attnum > 0
            and not attribute.attisdropped
            and attribute.attname <> all(mart.unread);
        -- The arrays are worked out once per query, and the comparison can use an index.
        execute format(
            'create view %5$I.%1$I with (security_barrier = true) as select %2$s from ('
            'select whole.* from publish.%3$I as whole '
            'where whole.business_id <> all(array(select apart.business_id from publish.apart as apart)) and %6$s '
            'union all select apart.* from publish.%4$I as apart) as published '
            'where published.business_id = any(array(select visible.business_id from publish.visible_businesses as visible))',
            mart.read_name || '__next', reading, mart.name, mart.name || '__apart', mart.read_schema,
            {{ is_unchanged() }}
        );
        if pg_get_viewdef(format('%I.%I', mart.read_schema, mart.read_name || '__next')::regclass)
            is not distinct from pg_get_viewdef(to_regclass(format('%I.%I', mart.read_schema, mart.read_name)))
        then
            execute format('drop view %I.%I', mart.read_schema, mart.read_name || '__next');
        else
            execute format('drop view if exists %I.%I', mart.read_schema, mart.read_name);
            execute format('alter view %I.%I rename to %I', mart.read_schema, mart.read_name || '__next', mart.read_name);
            foreach statement in array coalesce(granted, '{}') loop
                execute statement;
            end loop;
            -- The tenants' logins are members of this role (extractors/tenants.py).
            if to_regrole('bi_reader') is not null then
                execute format('grant select on %I.%I to bi_reader', mart.read_schema, mart.read_name);
            end if;
        end if;

        -- Descriptions follow the candidate's.
        for statement in
            select format('comment on view %I.%I is %L', mart.read_schema, mart.read_name, described.candidate)
            from (
                select
                    obj_description(format('%I.%I', mart.schema, mart.name)::regclass) as candidate,
                    obj_description(format('%I.%I', mart.read_schema, mart.read_name)::regclass) as present
            ) as described
            where described.candidate is distinct from described.present
            union all
            select format(
                'comment on column %I.%I.%I is %L',
                mart.read_schema, mart.read_name, described.attname, described.candidate
            )
            from (
                select
                    attribute.attname,
                    col_description(format('%I.%I', mart.schema, mart.name)::regclass, attribute.attnum) as candidate,
                    col_description(format('%I.%I', mart.read_schema, mart.read_name)::regclass, shown.attnum) as present
                from pg_catalog.pg_attribute as attribute
                inner join pg_catalog.pg_attribute as shown on attribute.attname = shown.attname
                where
                    attribute.attrelid = published
                    and attribute.attnum > 0
                    and shown.attrelid = format('%I.%I', mart.read_schema, mart.read_name)::regclass
            ) as described
            where described.candidate is distinct from described.present
        loop
            execute statement;
        end loop;
    end loop;
{% endmacro %}


{# Whatever stands in `marts` shows the businesses of the asking role alone, also what somebody put there by hand. #}
{% macro refuse_open_marts() %}
    select string_agg(relations.relname, ', ' order by relations.relname)
    into statement
    from pg_catalog.pg_class as relations
    where
        relations.relnamespace in (
            select to_regnamespace(listed.read_schema)
            from marts_to_publish as listed
        )
        and relations.relkind in ('r', 'v', 'm', 'p', 'f')
        and (
            relations.relkind <> 'v'
            or not coalesce('security_barrier=true' = any(relations.reloptions), false)
            or pg_get_viewdef(relations.oid) !~ 'ANY \(ARRAY\( SELECT visible.business_id\s+FROM publish.visible_businesses visible\)\)'
        );
    if statement is not null then
        raise exception 'without the tenant predicate stands in the schema marts: %', statement;
    end if;
{% endmacro %}


{# The rows of the asked businesses beside those of the last whole publication, which nobody touches. #}
{% macro publish_apart() %}
    for mart in select * from marts_to_publish order by name loop
        if
            pg_get_viewdef(format('%I.%I', mart.schema, mart.name)::regclass)
            is distinct from pg_get_viewdef(to_regclass(format('publish.%I', mart.name)))
        then
            raise exception 'the definition of % changed since the last publication; publish all businesses', mart.name;
        end if;
        execute format('delete from publish.%I where business_id = any($1)', mart.name || '__apart') using asked;
        execute format(
            'insert into publish.%I select * from %I.%I where business_id = any($1)',
            mart.name || '__apart', mart.schema, mart.name
        ) using asked;
    end loop;
    insert into publish.apart (business_id, published_at)
    select businesses.business_id, clock_timestamp()
    from unnest(asked) as businesses (business_id)
    on conflict (business_id) do update set published_at = excluded.published_at;
{% endmacro %}


{# What the audits of the next build call usual: once a day, for five weeks. #}
{% macro measure_marts() %}
    if not exists (
        select 1
        from {{ source_of('mart_measures') }} as measures
        where measures.measured_at > clock_timestamp() - interval '20 hours' and not measures.is_accepted
    ) then
        for mart in
            select listed.*
            from marts_to_publish as listed
            where listed.name in ('{{ steady_marts() | join("', '") }}')
            order by listed.name
        loop
            execute format(
                'insert into {{ source_of("mart_measures") }} (publication_id, mart_name, business_id, platform, number_of_rows) '
                'select $1, %1$L, business_id, platform, count(*) from ('
                'select whole.business_id, whole.platform from publish.%1$I as whole where %3$s '
                'union all select apart.business_id, apart.platform from publish.%2$I as apart) as published '
                'where platform <> ''all'' group by business_id, platform',
                mart.name, mart.name || '__apart', {{ is_unchanged() }}
            ) using attempt;
        end loop;
        delete from {{ source_of('publications') }} as publications
        where
            publications.began_at < clock_timestamp() - interval '400 days'
            and publications.publication_id < attempt;
        delete from {{ source_of('mart_measures') }} as measures
        where measures.measured_at < clock_timestamp() - interval '35 days';
    end if;
{% endmacro %}


{# Marts whose rows follow the history and not a window: they never shrink by themselves. #}
{% macro steady_marts() %}
    {{ return(['analytics_summaries', 'audience_growth', 'audience_insights', 'hashtags', 'post_performance']) }}
{% endmacro %}
