{# Each version ends on the day the next begins, and the last one has no end. #}
{% test has_one_current_version(model) %}
    select *
    from (
        select
            platform,
            canonical_metric,
            version,
            valid_to,
            lead(valid_from) over (partition by platform, canonical_metric order by version) as next_from,
            row_number() over (partition by platform, canonical_metric order by version) as place
        from {{ model }}
    ) as versions
    where version <> place or valid_to is distinct from next_from
{% endtest %}
