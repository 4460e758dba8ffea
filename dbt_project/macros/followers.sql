{#
    Incremental behind other tables of core: such a table takes in a run only when all those it rests on have, because a
    run may pass its gate between their claims and this one.
#}

{# Pre-hook: claim the runs that these tables (name: streams it takes in) have taken in and this one has not. #}
{% macro claim_followed(followed) %}
    {%- if not flags.EMPTY -%}
        {%- if not continues() %}
            delete from {{ ref('loaded_runs') }} where table_name = '{{ this.identifier }}';
            {%- if is_incremental() %}
                delete from {{ this }};
            {%- endif %}
        {%- endif %}
        insert into {{ ref('loaded_runs') }} as loaded (table_name, run_id, lease_epoch, invocation_id, loaded_at)
        {%- if reads_fivetran() %}
        values ('{{ this.identifier }}', '{{ run_of_fivetran() }}', 0, '{{ invocation_id }}', clock_timestamp())
        {%- else %}
        select
            '{{ this.identifier }}',
            runs.run_id,
            runs.lease_epoch,
            '{{ invocation_id }}',
            clock_timestamp()
        from {{ known_runs(in_hook=true) }} as runs
        left join {{ ref('loaded_runs') }} as known
            on known.table_name = '{{ this.identifier }}' and known.run_id = runs.run_id
        where
            runs.gate = 'passed'
            and split_part(runs.stream, '__', 2) in ('{{ followed.values() | sum(start=[]) | unique | join("', '") }}')
            and (known.run_id is null or known.lease_epoch is distinct from runs.lease_epoch)
            {%- for table, streams in followed.items() %}
                and (
                    split_part(runs.stream, '__', 2) not in ('{{ streams | join("', '") }}')
                    or exists (
                        select 1
                        from {{ ref('loaded_runs') }} as followed
                        where
                            followed.table_name = '{{ table }}'
                            and followed.run_id = runs.run_id
                            and followed.lease_epoch = runs.lease_epoch
                    )
                )
            {%- endfor %}
        on conflict (table_name, run_id) do update
        set
            lease_epoch = excluded.lease_epoch,
            invocation_id = excluded.invocation_id,
            loaded_at = excluded.loaded_at
        {%- endif %}
    {%- endif -%}
{% endmacro %}


{# The posts that the claimed runs tell something of: column post_key. #}
{% macro posts_of_claimed_runs() -%}
    {%- for relation in (ref('int_posts_unioned'), ref('int_post_metrics_unioned')) %}
        select {{ surrogate_key(['business_id', 'platform', 'account_id', first_version()]) }} as post_key
        from {{ relation }}
        where run_id = any({{ claimed_runs() }})
        {% if not loop.last %}union{% endif %}
    {%- endfor %}
{%- endmacro %}
