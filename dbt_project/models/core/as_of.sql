{{ config(incremental_strategy='sync', unique_key='as_of') }}
{%- set instant = var('as_of') or env_var('PIPELINE_NOW', '') -%}

with final as (
    select
        {% if instant %}cast('{{ instant | replace("'", "") }}' as timestamptz){% else %}now(){% endif %} as as_of
)

select * from final
