{# The rows of a raw table whose run passed its gate; the only way into staging. #}
{% macro passed_rows(relation) -%}
    select raw_rows.*
    from {{ relation }} as raw_rows
    where raw_rows.run_id in (
        select runs.run_id
        from {{ source('ops', 'extract_runs') }} as runs
        where runs.gate = 'passed'
    )
{%- endmacro %}


{# The day that ends a record key of a series or a daily snapshot: `{account}:{what}:YYYY-MM-DD`. #}
{% macro key_day() -%}
    ops.day_of(split_part(record_key, ':', -1))
{%- endmacro %}


{# What such a key is about: the word before the day. #}
{% macro key_subject() -%}
    split_part(record_key, ':', -2)
{%- endmacro %}
