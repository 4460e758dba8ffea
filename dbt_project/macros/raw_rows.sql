{# The rows of a raw table whose run passed its gate; the only way into staging. #}
{% macro passed_rows(relation) -%}
    select raw_rows.*
    from {{ relation }} as raw_rows
    where raw_rows.run_id in (
        select runs.run_id
        from {{ known_runs() }} as runs
        where runs.gate = 'passed'
    )
    {%- if looks_back() %}
        -- What a run read when it was taken up again, later.
        and (
            raw_rows.observed_at <= {{ known_then() }}
            or raw_rows.run_id not in (
                select runs.run_id
                from {{ known_runs() }} as runs
                where runs.was_continued
            )
        )
    {%- endif %}
{%- endmacro %}


{# The day that ends a record key of a series or a daily snapshot: `{account}:{what}:YYYY-MM-DD`. #}
{% macro key_day() -%}
    ops.day_of(split_part(record_key, ':', -1))
{%- endmacro %}


{# What such a key is about: the word before the day. #}
{% macro key_subject() -%}
    split_part(record_key, ':', -2)
{%- endmacro %}
