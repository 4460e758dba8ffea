{#
    The audits of runs follow what changed: a run is audited when every core table that takes its stream has taken it in,
    and once more after it was found wanting.
#}

{# Pre-hook: claim the runs that are to be audited in this build. #}
{% macro claim_audits() %}
    {%- if execute and not flags.EMPTY -%}
        {{ forget_claims() }}
        {%- if continues() %}
            delete from {{ ref('loaded_runs') }} as loaded
            using {{ this }} as audits
            where
                loaded.table_name = '{{ this.identifier }}'
                and audits.run_id = loaded.run_id
                and audits.unexplained <> 0;
            delete from {{ relation_of('claimed_until') }}
            where
                table_name = '{{ this.identifier }}'
                and exists (select 1 from {{ this }} as audits where audits.unexplained <> 0);
        {%- endif %}
        {%- set ready -%}
            not exists (
                select 1
                from (values {{ takers() }}) as takers (table_name, stream)
                where
                    takers.stream = waiting.stream
                    and not exists (
                        select 1
                        from {{ ref('loaded_runs') }} as below
                        where below.table_name = takers.table_name and below.run_id = waiting.run_id
                    )
            )
        {%- endset -%}
        {{ claim_sql("runs.state <> 'running'", ready, anew_by_epoch=false) }}
    {%- endif -%}
{% endmacro %}


{# Which core table takes which stream, as rows of a values list: read from the pre-hooks of the models themselves;
   not those that come `after` others. #}
{% macro takers() -%}
    {%- set rows = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.package_name == project_name -%}
        {%- for streams in modules.re.findall("claim_runs\(\[([^\]]*)\]\)", node.raw_code) -%}
            {%- for stream in modules.re.findall("'(\w+)'", streams) -%}
                {%- do rows.append("('" ~ node.name ~ "', '" ~ stream ~ "')") -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}
    {{- (rows or ["('', '')"]) | join(', ') -}}
{%- endmacro %}


{# Reasons with their numbers as text for people: "repost: 2, set_aside: 1"; NULL where there are none. #}
{% macro reasons_in_words(column) -%}
    (
        select string_agg(reasons.key || ': ' || reasons.value, ', ' order by reasons.key collate "C")
        from jsonb_each_text({{ column }}) as reasons
    )
{%- endmacro %}
