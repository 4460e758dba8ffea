{# On-run-end: what every node did, into ops.dbt_results, so that one task per layer loses no visibility. #}
{% macro record_results(results) %}
    {%- if execute and results and flags.WHICH in ('build', 'run', 'test', 'seed') -%}
        insert into {{ source_of('dbt_results') }}
            (invocation_id, unique_id, resource_type, status, failures, execution_seconds, message)
        values
            {%- for result in results %}
                (
                    {{ sql_text(invocation_id) }},
                    {{ sql_text(result.node.unique_id) }},
                    {{ sql_text(result.node.resource_type) }},
                    {{ sql_text(result.status) }},
                    {{ result.failures if result.failures is not none else 'null' }},
                    {{ result.execution_time }},
                    {{ sql_text(result.message) }}
                )
                {%- if not loop.last %},{% endif %}
            {%- endfor %}
        on conflict (invocation_id, unique_id) do update
        set status = excluded.status, failures = excluded.failures, message = excluded.message
    {%- endif -%}
{% endmacro %}


{# A literal of any text; NULL for none. #}
{% macro sql_text(value) -%}
    {%- if value is none -%}null{%- else -%}'{{ value | string | replace("'", "''") }}'{%- endif -%}
{%- endmacro %}
