{#
    Post-hook: whatever is written to this table, the parts it belongs to are noted in ops.changed_parts, in the same
    transaction, for those who go on from them (docs/adr/0043). `noted`: for each kind of part the expression that names the
    part of a row. A table that nobody watched before may hold anything.
#}
{% macro note_changes(noted) %}
    {%- if not looks_back() -%}
        {%- set arguments, known_by = [], [] -%}
        {%- for kind, expression in noted.items() -%}
            {%- do arguments.extend([sql_text(kind), sql_text(expression)]) -%}
            {#- As pg_trigger keeps them. -#}
            {%- do known_by.extend([kind, '\\000', expression, '\\000']) -%}
        {%- endfor %}
do $note$
begin
    if not exists (
        select
        from pg_trigger
        where
            tgrelid = '{{ this }}'::regclass
            and tgname = 'note_inserted'
            and encode(tgargs, 'escape') = {{ sql_text(known_by | join) }}
    ) then
        {%- for name, event, rows in [
            ('inserted', 'insert', 'new'), ('deleted', 'delete', 'old'),
            ('updated', 'update', 'new'), ('updated_from', 'update', 'old'),
        ] %}
        create or replace trigger note_{{ name }} after {{ event }} on {{ this }} referencing {{ rows }} table as written
        for each statement execute function ops.note_changed_parts({{ arguments | join(', ') }});
        {%- endfor %}
        create or replace trigger note_truncated after truncate on {{ this }}
        for each statement execute function ops.note_changed_parts({{ arguments | join(', ') }});
        insert into ops.changed_parts (kind) values ('{{ noted.keys() | join("'), ('") }}');
    end if;
end
$note$
    {%- endif -%}
{% endmacro %}


{# The part of a table by business and day. #}
{% macro part_of_day(day) -%}
    business_id || '|' || to_char({{ day }}, 'YYYY-MM-DD')
{%- endmacro %}
