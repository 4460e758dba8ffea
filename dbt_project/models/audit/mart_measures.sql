{#- The border of the marts: what `python -m expectations marts` judges and the tests of this model. -#}
with usual as (
    select
        measures.mart_name,
        measures.business_id,
        measures.platform,
        percentile_cont(0.5) within group (order by measures.number_of_rows) as usual_rows
    from {{ ref('stg_ops__mart_measures') }} as measures
    where
        measures.measured_at > now() - interval '28 days'
        -- What was before a person took a size for right counts no more.
        and not exists (
            select 1
            from {{ ref('stg_ops__mart_measures') }} as accepted
            where
                accepted.is_accepted
                and accepted.mart_name = measures.mart_name
                and accepted.business_id = measures.business_id
                and accepted.platform = measures.platform
                and accepted.measured_at > measures.measured_at
        )
    group by measures.mart_name, measures.business_id, measures.platform
),

measured as (
    {% for name, relation in [
        ('analytics_summaries', ref('analytics_summaries')),
        ('audience_growth', ref('audience_growth')),
        ('audience_insights', ref('audience_insights')),
        ('hashtags', ref('hashtags')),
        ('post_performance', ref('post_performance')),
    ] %}
        select
            '{{ name }}' as mart_name,
            business_id,
            platform,
            count(*) as number_of_rows
        from {{ relation }}
        where platform <> 'all'
        group by business_id, platform
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

final as (
    select
        mart_name,
        business_id,
        platform,
        coalesce(measured.number_of_rows, 0) as number_of_rows,
        cast(usual.usual_rows as numeric) as usual_rows,
        -- Few rows halve and double by chance.
        case
            when usual.usual_rows >= 20
                then trim_scale(coalesce(measured.number_of_rows, 0) / cast(usual.usual_rows as numeric))
        end as share_of_usual
    from measured
    full join usual using (mart_name, business_id, platform)
)

select * from final
