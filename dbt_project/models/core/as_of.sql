{{ config(incremental_strategy='sync', unique_key='as_of') }}
{%- set instant = looked_back_to().as_of if looks_back() else env_var('PIPELINE_NOW', '') -%}

with read as (
    select {{ read_at() }} as known_at
),

final as (
    select
        {% if instant %}
            cast('{{ instant | replace("'", "") }}' as timestamptz) as as_of,
        {% else %}
            known_at as as_of,
        {% endif %}
        known_at
    from read
)

select * from final
