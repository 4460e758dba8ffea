{#
    The cost of a publication follows what changed: of the marts whose rows each rest on one part of core (`part` in a
    model's meta: a post, or a period of a business) only the rows of parts that changed are computed and written, into
    publish.<name>__apart. publish.changed_<part>s names these parts, and readers see the others in publish.<name>. When
    they have become many, or anything else than parts changed, the marts are refreshed whole (docs/adr/0043).
#}

{# The kinds of parts and the columns that name one; a model's `part_columns` say what they are called there. #}
{% macro kinds_of_parts() %}
    {{ return({'post': ['post_key'], 'period': ['business_id', 'period', 'period_start']}) }}
{% endmacro %}


{#
    The keys of the posts whose rows may differ from those published last: what core noted, posts that have come of age
    since (or, with an earlier clock, have not), and those of accounts with another name; of all in a copy of the
    database, which has another name itself.
#}
{% macro posts_to_publish() -%}
    select noted.part as post_key
    from {{ source_of('changed_parts') }} as noted
    where noted.kind = 'post' and noted.part is not null
    union
    select posts.post_key
    from publish.publications as before
    cross join {{ relation_of('as_of') }} as instants
    inner join {{ relation_of('fct_posts') }} as posts
        on
            posts.published_at > least(before.as_of, instants.as_of) - {{ maturity() }}
            and posts.published_at <= greatest(before.as_of, instants.as_of) - {{ maturity() }}
    where before.mart_name = 'post_velocity'
    union
    select posts.post_key
    from {{ relation_of('dim_accounts') }} as accounts
    full join publish.account_names as before using (business_id, platform, account_id)
    inner join {{ relation_of('dim_posts') }} as posts using (business_id, platform, account_id)
    where (accounts.account_name, current_database()) is distinct from (before.account_name, before.database_name)
{%- endmacro %}


{#
    The periods whose rows may differ: those of days that core noted, and those that ran when the marts were published
    last, or run now, in any zone.
#}
{% macro periods_to_publish() -%}
    select
        days.business_id,
        periods.period,
        periods.period_start
    from (
        select
            cast(split_part(noted.part, '|', 1) as bigint) as business_id,
            cast(split_part(noted.part, '|', 2) as date) as day
        from {{ source_of('changed_parts') }} as noted
        where noted.kind = 'period' and noted.part is not null
        union
        select
            businesses.business_id,
            cast(running.as_of at time zone 'UTC' as date) + zones.days as day
        from (
            select as_of from publish.publications where mart_name = 'engagement_trends'
            union all
            select as_of from {{ relation_of('as_of') }}
        ) as running
        cross join {{ relation_of('dim_businesses') }} as businesses
        cross join (values (-1), (0), (1)) as zones (days)
    ) as days
    {{ with_periods('days.day') }}
    group by days.business_id, periods.period, periods.period_start
{%- endmacro %}


{# What such marts need beside the others. #}
{% macro objects_of_changes() %}
    create table if not exists publish.changed_posts (post_key text primary key);
    create table if not exists publish.changed_periods (
        business_id bigint,
        period text,
        period_start date,
        primary key (business_id, period, period_start)
    );
    {%- for kind in kinds_of_parts() %}
    comment on table publish.changed_{{ kind }}s is
        'Parts whose rows are those of publish.<mart>__apart, since they changed after the last whole publication.';
    {%- endfor %}
    create table if not exists publish.account_names (
        business_id bigint,
        platform text,
        account_id text,
        account_name text,
        database_name text not null,
        primary key (business_id, platform, account_id)
    );
    comment on table publish.account_names is
        'What accounts and the database were called in the last publication: rows of posts show it.';
{% endmacro %}


{#
    Sets `going_on`: the kinds of parts whose marts can go on from their last publication. Of these, publish.changed_<kind>s
    holds what changed since they were refreshed, and the temporary table parts_<kind> what since they were published.
#}
{% macro find_changes() %}
    {%- for kind, columns in kinds_of_parts().items() %}
    if
        not exists (select from publish.apart)
        and not exists (
            select from {{ source_of('changed_parts') }} as noted
            where noted.kind = '{{ kind }}' and noted.part is null
        )
        and not exists (
            select
            from marts_to_publish as listed
            where
                listed.part = '{{ kind }}'
                and (
                    pg_get_viewdef(format('%I.%I', listed.schema, listed.name)::regclass)
                    is distinct from pg_get_viewdef(to_regclass(format('publish.%I', listed.name)))
                    or to_regclass(format('publish.%I', listed.name || '__apart')) is null
                )
        )
    then
        create temporary table parts_{{ kind }} on commit drop as
        {{ posts_to_publish() if kind == 'post' else periods_to_publish() }};
        analyze parts_{{ kind }};
        insert into publish.changed_{{ kind }}s
        select * from parts_{{ kind }}
        on conflict do nothing;
        if
            (select count(*) from publish.changed_{{ kind }}s) <= greatest(
                {{ var('publish_changes_of') | int }},
                (
                    select {{ var('publish_changes_share') | float }} * classes.reltuples
                    from pg_catalog.pg_class as classes
                    where classes.oid = '{{ relation_of('dim_posts' if kind == 'post' else 'fct_engagement_daily') }}'::regclass
                )
            )
        then
            going_on := going_on || text '{{ kind }}';
            analyze publish.changed_{{ kind }}s;
        end if;
    end if;
    if '{{ kind }}' <> all(going_on) then
        delete from publish.changed_{{ kind }}s;
    end if;
    delete from {{ source_of('changed_parts') }} where kind = '{{ kind }}';
    {%- endfor %}
    delete from publish.account_names as before
    where not exists (
        select
        from {{ relation_of('dim_accounts') }} as accounts
        where
            (accounts.business_id, accounts.platform, accounts.account_id)
            = (before.business_id, before.platform, before.account_id)
            and (accounts.account_name, current_database())
            is not distinct from (before.account_name, before.database_name)
    );
    insert into publish.account_names (business_id, platform, account_id, account_name, database_name)
    select accounts.business_id, accounts.platform, accounts.account_id, accounts.account_name, current_database()
    from {{ relation_of('dim_accounts') }} as accounts
    on conflict (business_id, platform, account_id) do nothing;
{% endmacro %}


{# The rows of the parts that changed take the place of what the mart showed of them. #}
{% macro publish_changes() %}
    execute format(
        'delete from publish.%1$I as former using %2$I as parts where %3$s',
        mart.name || '__apart', 'parts_' || mart.part, {{ is_of_part('former', 'parts') }}
    );
    -- Part by part, so that each is a few steps into indexes: joined with so many tables at once, the planner reads them all.
    execute format(
        'insert into publish.%1$I select candidate.* from %2$I as parts cross join lateral ('
        'select each.* from %3$I.%4$I as each where %5$s offset 0) as candidate',
        mart.name || '__apart', 'parts_' || mart.part, mart.schema, mart.name, {{ is_of_part('each', 'parts') }}
    );
    execute format('analyze publish.%I', mart.name || '__apart');
    -- Each of the two relations refuses a second row of one key; of both together only this does.
    execute format(
        'select exists(select from %1$I as parts inner join publish.%2$I as changed on %3$s '
        'inner join publish.%4$I as whole on %5$s where %6$s)',
        'parts_' || mart.part, mart.name || '__apart', {{ is_of_part('changed', 'parts') }}, mart.name,
        (select string_agg(format('whole.%1$I = changed.%1$I', name), ' and ') from unnest(mart.key) as names (name)),
        {{ is_unchanged() }}
    )
    into has_rows;
    if has_rows then
        raise unique_violation using message = format('%s: what changed has a key that another row has already', mart.name);
    end if;
{% endmacro %}


{# The condition, as SQL text, that a row of a mart is of a part. #}
{% macro is_of_part(rows, parts) -%}
    (
        select string_agg(format('{{ rows }}.%I = {{ parts }}.%I', named.here, named.there), ' and ')
        from unnest(mart.part_columns, mart.part_key) as named (here, there)
    )
{%- endmacro %}


{# The condition, as SQL text, on which a row of publish.<mart> stands: that it is of no part that changed since. #}
{% macro is_unchanged() -%}
    case
        when mart.part is null then 'true'
        else format(
            'not exists (select from publish.%I as newer where %s)',
            'changed_' || mart.part || 's', {{ is_of_part('whole', 'newer') }}
        )
    end
{%- endmacro %}
