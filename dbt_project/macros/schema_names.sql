{# Schemas are named as they are, without the target's prefix; those of a rebuild (macros/looking_back.sql) begin with
   `as_of_`, and its marts are the candidates themselves, since nothing is published. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- set schema = custom_schema_name or target.schema -%}
    {%- if looks_back() -%}
        as_of_{{ 'marts' if schema == 'candidate' else schema }}
    {%- else -%}
        {{ schema }}
    {%- endif -%}
{%- endmacro %}
